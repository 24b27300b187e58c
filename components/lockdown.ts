import * as command from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import type { SshExposure } from "../core/settings/stack-config.ts";
import { clawdletsCommand, doNothing } from "./_clawdlets-command.ts";
import type { DeclaredRule } from "./host-firewall.ts";

export interface LockdownArgs {
  host: string;
  serverId: pulumi.Input<number>;
  address: pulumi.Input<string>;
  /** Checked anew after each installation … */
  installId: pulumi.Input<string>;
  /** … and whenever the firewall or its rules change. */
  firewallId: pulumi.Input<number>;
  rules: pulumi.Input<DeclaredRule[]>;
  /** With `bootstrap` a window that is still open passes, with a warning. @default `"tailnet"` */
  sshExposure?: SshExposure;
  /** With `tailscale` a session over the tailnet has to come about before anything else is looked at. @default `"tailscale"` */
  tailnet?: "tailscale" | "none";
}

/**
 * Proves that the server is closed as declared: a session over the tailnet where there is one, the rules as the API tells
 * them, no other firewall, and no connection to TCP/22 from here. Fails the update with what was seen otherwise.
 */
export class Lockdown extends pulumi.ComponentResource {
  /** What was seen, as JSON text: rules, port, tailnet. */
  readonly report: pulumi.Output<string>;

  constructor(name: string, args: LockdownArgs, opts: pulumi.ComponentResourceOptions = {}) {
    super("clawdlets:index:Lockdown", name, {}, opts);
    const { host, sshExposure = "tailnet", tailnet = "tailscale", ...declared } = args;
    const facts = pulumi.jsonStringify({ ...declared, sshExposure, tailnet });
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
