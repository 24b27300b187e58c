import * as command from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import type { SshExposure } from "../core/project/settings/stack-config/stack-config.ts";
import type { DeclaredRule } from "./host-firewall.ts";
import { checked, checkHost, shapes } from "./internal/checked.ts";
import { clawdletsCommand, doNothing } from "./internal/clawdlets-command.ts";

/** The expected state of an installed host. */
export interface LockdownArgs {
  /** The host's name, as in `stacks/Pulumi.<host>.yaml`. */
  host: string;
  /** Hetzner's id of the server. */
  serverId: pulumi.Input<number>;
  /** Its public address: IPv4, or IPv6 without one. */
  address: pulumi.Input<string>;
  /** From the {@link NixosInstall}, so that the proof waits for it, and runs again after each installation. */
  installId: pulumi.Input<string>;
  /** Hetzner's id of the firewall. The proof runs again when the firewall or its rules change. */
  firewallId: pulumi.Input<number>;
  /** All permitted inbound rules, e.g. {@link HostFirewall}'s `rules`; any other rule fails the update. */
  rules: pulumi.Input<DeclaredRule[]>;
  /** With `bootstrap`, an open window is only a warning. @default `"tailnet"` */
  sshExposure?: SshExposure;
  /** Unless it is `none`, a session over the tailnet must succeed before anything else is checked. @default `"tailscale"` */
  tailnet?: "tailscale" | "headscale" | "none";
}

/**
 * Proves that the server is closed as declared: a session over the tailnet if there is one, the rules that the API reports, no other
 * firewall, and no connection to TCP/22 from here. Otherwise fails the update and says what it found.
 * @throws `pulumi.InputPropertyError` at preview for what is known then
 */
export class Lockdown extends pulumi.ComponentResource {
  /** The findings, as JSON text: rules, port, tailnet. */
  readonly report: pulumi.Output<string>;

  constructor(name: string, args: LockdownArgs, opts: pulumi.ComponentResourceOptions = {}) {
    super("clawdlets:index:Lockdown", name, {}, opts);
    const { host, sshExposure = "tailnet", tailnet = "tailscale", ...declared } = args;
    const owner = { component: "Lockdown", host };
    checkHost(owner);
    const facts = pulumi.jsonStringify({
      ...declared,
      serverId: checked(owner, "serverId", args.serverId, shapes.id),
      address: checked(owner, "address", args.address, shapes.address),
      firewallId: checked(owner, "firewallId", args.firewallId, shapes.id),
      sshExposure,
      tailnet,
    });
    const proof = new command.local.Command(
      `${name}-proof`,
      {
        create: clawdletsCommand(`lockdown --prove --host ${host}`),
        update: doNothing,
        environment: { CLAWDLETS_FACTS: facts },
        triggers: [facts],
        logging: command.local.Logging.Stderr,
      },
      { parent: this },
    );
    this.report = proof.stdout;
    this.registerOutputs({ report: this.report });
  }
}
