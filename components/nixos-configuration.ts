import * as command from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import { z } from "zod";
import { checked, checkHost, shapes } from "./internal/checked.ts";
import { clawdletsCommand } from "./internal/clawdlets-command.ts";
import { tellingHooks } from "./internal/configuration-change.ts";

/** What a running host is to have. */
export interface NixosConfigurationArgs {
  /** The host as `stacks/Pulumi.<host>.yaml` and `.clawdlets/stack.json` know it; its flake and attribute are those of there. */
  host: string;
  /** Public IPv4 address; only gone to with `sshExposure: "public"`, otherwise the tailnet is. */
  address: pulumi.Input<string>;
  /** Of the {@link NixosInstall}, which it so waits for. */
  installId: pulumi.Input<string>;
  /**
   * Commit of the flake, 40 hex digits. It has to be one of the branch that the host's own configuration names.
   * @default as the state has it; where that has none, what the flake is at when the update runs
   */
  revision?: pulumi.Input<string>;
  /**
   * Names the secrets that are to be on the host: SHA-256 of their ciphertext, 64 hex digits. What is sent is what is in
   * `.clawdlets/` when the update runs. `none`: the host's are left as they are.
   * @default as the state has it; where that has none, `none`
   */
  ciphertext?: pulumi.Input<string>;
  /**
   * Which system a commit would give, for the preview of a change; a reason thrown is shown as a warning.
   * @default nothing is said of it
   */
  evaluate?: (revision: string) => Promise<string | undefined>;
}

/**
 * Brings a running host to a commit of its flake and to the secrets that are here, in place; never a reinstall. The host
 * builds and switches by itself, and goes back to what it ran unless it can be reached over a new connection afterwards: the
 * update fails then, and says what runs. A preview says whether commit or secrets change. Runs `clawdlets rebuild`; needs
 * `clawdlets.operator.rebuild` in the host's configuration, the project's `.clawdlets/`, and `clawdlets` on PATH.
 * @throws `pulumi.InputPropertyError` at preview for what is known then
 */
export class NixosConfiguration extends pulumi.ComponentResource {
  /** Store path of the system that was seen to run, e.g. `/nix/store/…-nixos-system-web-1-26.05`. */
  readonly systemPath: pulumi.Output<string>;
  /** The commit it is of, 40 hex digits. */
  readonly revision: pulumi.Output<string>;

  constructor(name: string, args: NixosConfigurationArgs, opts: pulumi.ComponentResourceOptions = {}) {
    super("clawdlets:index:NixosConfiguration", name, {}, opts);
    const { host, evaluate } = args;
    const owner = { component: "NixosConfiguration", host };
    checkHost(owner);
    const address = checked(owner, "address", args.address, shapes.ipv4);
    const facts = pulumi.jsonStringify({ address, installId: args.installId });
    const { revision, ciphertext } = args;
    const rebuild = clawdletsCommand(`rebuild --for-stack --host ${host}`);
    const change = new command.local.Command(
      `${name}-configuration`,
      {
        create: rebuild,
        // The same again: where the host has it already, the switch is one to what runs, and nothing restarts.
        update: rebuild,
        environment: {
          CLAWDLETS_FACTS: facts,
          ...(revision !== undefined && { CLAWDLETS_FLAKE_REV: checked(owner, "revision", revision, shapes.commit) }),
          ...(ciphertext !== undefined && {
            CLAWDLETS_CIPHERTEXT: checked(owner, "ciphertext", ciphertext, shapes.digest),
          }),
        },
        logging: command.local.Logging.Stderr,
      },
      {
        parent: this,
        hooks: tellingHooks(name, host, evaluate),
        ignoreChanges: [
          ...(revision === undefined ? ["environment.CLAWDLETS_FLAKE_REV"] : []),
          ...(ciphertext === undefined ? ["environment.CLAWDLETS_CIPHERTEXT"] : []),
        ],
      },
    );
    const seen = change.stdout.apply((text) => report.parse(JSON.parse(text)));
    this.systemPath = seen.apply(({ systemPath }) => systemPath);
    this.revision = seen.apply(({ rev }) => rev);
    this.registerOutputs({ systemPath: this.systemPath, revision: this.revision });
  }
}

const report = z.object({ systemPath: z.string(), rev: z.string() });
