import * as command from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import { z } from "zod";
import { checked, checkHost, shapes } from "./internal/checked.ts";
import { clawdletsCommand } from "./internal/clawdlets-command.ts";
import { tellingHooks } from "./internal/configuration-change.ts";

/** The commit and secrets of a running host. */
export interface NixosConfigurationArgs {
  /** The host's name, as in `stacks/Pulumi.<host>.yaml` and `.clawdlets/stack.json`, which define its flake and attribute. */
  host: string;
  /** Public address, IPv4 or IPv6; used only with `sshExposure: "public"`, otherwise the tailnet is. */
  address: pulumi.Input<string>;
  /** From the {@link NixosInstall}, so that the update waits for it. */
  installId: pulumi.Input<string>;
  /**
   * Commit of the flake, 40 hex digits. It must be on the branch that the host's own configuration names.
   * @default the one in the state; without one, the flake's current commit when the update runs
   */
  revision?: pulumi.Input<string>;
  /**
   * Identifies the host's secrets: SHA-256 of their ciphertext, 64 hex digits. The update sends the files in `.clawdlets/` at that
   * time. `none`: the host keeps its secrets.
   * @default the one in the state; without one, `none`
   */
  ciphertext?: pulumi.Input<string>;
  /**
   * Returns the system that a commit builds, for previews; an error is shown as a warning.
   * @default previews do not name the system
   */
  evaluate?: (revision: string) => Promise<string | undefined>;
}

/**
 * Updates a running host in place to a commit of its flake and to the local secrets; never reinstalls. The host builds and switches on
 * its own, and rolls back unless it can be reached over a new connection afterwards; the update then fails and says what the host
 * runs. A preview says whether commit or secrets change. Runs `clawdlets rebuild`; needs
 * `clawdlets.operator.rebuild` in the host's configuration, the project's `.clawdlets/`, and `clawdlets` on PATH.
 * @throws `pulumi.InputPropertyError` at preview for what is known then
 */
export class NixosConfiguration extends pulumi.ComponentResource {
  /** Store path of the running system, e.g. `/nix/store/…-nixos-system-web-1-26.05`. */
  readonly systemPath: pulumi.Output<string>;
  /** Its commit, 40 hex digits. */
  readonly revision: pulumi.Output<string>;

  constructor(name: string, args: NixosConfigurationArgs, opts: pulumi.ComponentResourceOptions = {}) {
    super("clawdlets:index:NixosConfiguration", name, {}, opts);
    const { host, evaluate } = args;
    const owner = { component: "NixosConfiguration", host };
    checkHost(owner);
    const address = checked(owner, "address", args.address, shapes.address);
    const facts = pulumi.jsonStringify({ address, installId: args.installId });
    const { revision, ciphertext } = args;
    const rebuild = clawdletsCommand(`rebuild --for-stack --host ${host}`);
    const change = new command.local.Command(
      `${name}-configuration`,
      {
        create: rebuild,
        // Idempotent: if the host already runs this system, switching to it restarts nothing.
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
