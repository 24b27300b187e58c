import * as command from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import type { SshExposure } from "../core/project/settings/stack-config.ts";
import type { DeclaredRule } from "./host-firewall.ts";
import { checked, checkHost, shapes } from "./internal/checked.ts";
import { clawdletsCommand, doNothing } from "./internal/clawdlets-command.ts";

/** What a host has to look like once it is installed. */
export interface LockdownArgs {
  /** The host as `stacks/Pulumi.<host>.yaml` knows it. */
  host: string;
  /** Hetzner's id of the server. */
  serverId: pulumi.Input<number>;
  /** Its public IPv4 address. */
  address: pulumi.Input<string>;
  /** Of the {@link NixosInstall}, which it so waits for: checked anew after each installation … */
  installId: pulumi.Input<string>;
  /** … and whenever the firewall or its rules change. */
  firewallId: pulumi.Input<number>;
  /** All inbound rules that may be in force, e.g. {@link HostFirewall}'s `rules`; one that is there and not here fails the update. */
  rules: pulumi.Input<DeclaredRule[]>;
  /** With `bootstrap` a window that is still open passes, with a warning. @default `"tailnet"` */
  sshExposure?: SshExposure;
  /** With `tailscale` a session over the tailnet has to come about before anything else is looked at. @default `"tailscale"` */
  tailnet?: "tailscale" | "none";
}

/**
 * Proves that the server is closed as declared: a session over the tailnet where there is one, the rules as the API tells
 * them, no other firewall, and no connection to TCP/22 from here. Fails the update with what was seen otherwise.
 * @throws `pulumi.InputPropertyError` at preview for what is known then
 */
export class Lockdown extends pulumi.ComponentResource {
  /** What was seen, as JSON text: rules, port, tailnet. */
  readonly report: pulumi.Output<string>;

  constructor(name: string, args: LockdownArgs, opts: pulumi.ComponentResourceOptions = {}) {
    super("clawdlets:index:Lockdown", name, {}, opts);
    const { host, sshExposure = "tailnet", tailnet = "tailscale", ...declared } = args;
    const owner = { component: "Lockdown", host };
    checkHost(owner);
    const facts = pulumi.jsonStringify({
      ...declared,
      serverId: checked(owner, "serverId", args.serverId, shapes.id),
      address: checked(owner, "address", args.address, shapes.ipv4),
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
