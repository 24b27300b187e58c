import * as command from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import { installIdOf } from "../core/host/install/install-id.ts";
import { checked, checkHost, shapes } from "./internal/checked.ts";
import { clawdletsCommand, doNothing } from "./internal/clawdlets-command.ts";

/** One installation of NixOS on one server. Creating it WIPES THE SERVER'S DISK. */
export interface NixosInstallArgs {
  /** The host's name, as in `stacks/Pulumi.<host>.yaml` and `.clawdlets/stack.json`. */
  host: string;
  /** Hetzner's id of the server. Another server is another installation. */
  serverId: pulumi.Input<number>;
  /** Public address of the server: IPv4, or IPv6 without one. */
  address: pulumi.Input<string>;
  /**
   * Increase it to reinstall the same server, which WIPES THE DISK.
   * @default `0`
   */
  reinstall?: pulumi.Input<number>;
}

/**
 * Usable with a server of your own whose `userData` is {@link bootstrapUserData} of the host's one-time keys. Runs
 * `clawdlets install` once per installation id, and for no other reason: not for a changed flake, image, environment, path or
 * operator. Needs the project's `.clawdlets/` and `clawdlets` on PATH.
 * @throws `pulumi.InputPropertyError` at preview for what is known then; if the installation fails, the update fails with its error
 */
export class NixosInstall extends pulumi.ComponentResource {
  /** Identifies the installation, and is known once it is done; on the host it is in `/var/lib/clawdlets/install-id`. */
  readonly installId: pulumi.Output<string>;
  /** What the installation reported, as JSON text: host, installId, systemPath, hostKey. */
  readonly report: pulumi.Output<string>;

  constructor(name: string, args: NixosInstallArgs, opts: pulumi.ComponentResourceOptions = {}) {
    super("clawdlets:index:NixosInstall", name, {}, opts);
    const owner = { component: "NixosInstall", host: args.host };
    checkHost(owner);
    const serverId = checked(owner, "serverId", args.serverId, shapes.id);
    const address = checked(owner, "address", args.address, shapes.address);
    const installId = pulumi
      .all([serverId, checked(owner, "reinstall", args.reinstall ?? 0, shapes.count)])
      .apply(([id, reinstall]) => installIdOf({ host: args.host, serverId: id, reinstall }));
    const facts = pulumi.jsonStringify({ serverId, address, installId });
    const install = new command.local.Command(
      `${name}-install`,
      {
        create: clawdletsCommand(`install --host ${args.host}`),
        update: doNothing,
        environment: { CLAWDLETS_FACTS: facts },
        triggers: [installId],
        logging: command.local.Logging.Stderr,
      },
      { parent: this },
    );
    // Known only after the installation, so that its consumers wait for that: above all Lockdown.
    this.installId = pulumi.all([installId, install.id]).apply(([id]) => id);
    this.report = install.stdout;
    this.registerOutputs({ installId: this.installId });
  }
}
