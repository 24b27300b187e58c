import * as hcloud from "@pulumi/hcloud";
import * as pulumi from "@pulumi/pulumi";
import { labelsOf } from "../core/hetzner/labels.ts";
import { cidrProblem, isWorldOpen } from "../core/settings/cidr.ts";

/** A rule as it was declared, in plain values, for whoever has to compare it with what is there. */
export interface DeclaredRule {
  direction: string;
  protocol: string;
  port?: string;
  sourceIps: string[];
}

/** What may reach one host. Inbound is closed unless a rule here opens it. */
export interface HostFirewallArgs {
  /** Host name; the firewall is called `<host>-fw`. */
  host: string;
  /**
   * Who may reach TCP/22 at rest. `"tailnet"`: nobody from the internet. `"public"`: `adminCidrs`, which OPENS A PORT.
   * Installing needs neither: the installation opens a window of its own and closes it again.
   * @default `"tailnet"`
   */
  sshExposure?: "tailnet" | "public";
  /**
   * Shape: networks with prefix, IPv4 or IPv6, e.g. `203.0.113.7/32`. Their union must not be the whole internet.
   * @default `[]`: nobody, so that `sshExposure: "public"` is refused
   * @see Hetzner Cloud API, Firewalls, `rules[].source_ips`
   */
  adminCidrs?: pulumi.Input<pulumi.Input<string>[]>;
}

/**
 * The firewall a server is created behind. Declares the locked rules; nothing is ever open by default.
 * @throws `pulumi.InputPropertyError` at preview where `adminCidrs` is known then, otherwise before any rule is written
 */
export class HostFirewall extends pulumi.ComponentResource {
  /** Hetzner's firewall id, to give to the server when it is created: later is too late to be filtered at first boot. */
  readonly firewallId: pulumi.Output<number>;
  /** The rules as declared. */
  readonly rules: pulumi.Output<DeclaredRule[]>;

  constructor(name: string, args: HostFirewallArgs, opts: pulumi.ComponentResourceOptions = {}) {
    super("clawdlets:index:HostFirewall", name, {}, opts);
    this.rules = declaredRules(args);
    const firewall = new hcloud.Firewall(
      `${name}-firewall`,
      {
        name: `${args.host}-fw`,
        labels: labelsOf(args.host),
        rules: this.rules.apply((rules) => rules.map((rule) => ({ ...rule, description: descriptionOf(rule) }))),
      },
      { parent: this, ...(opts.hooks && { hooks: opts.hooks }) },
    );
    this.firewallId = firewall.id.apply(Number);
    this.registerOutputs({ firewallId: this.firewallId });
  }
}

/**
 * Ping, always. Not only to be polite: with hcloud 1.68.0 a firewall whose last rule goes keeps that rule, while the update
 * reports success (hetznercloud/terraform-provider-hcloud#1482). So there is always one rule left that opens nothing.
 */
const ping: DeclaredRule = { direction: "in", protocol: "icmp", sourceIps: ["0.0.0.0/0", "::/0"] };

function declaredRules({
  host,
  sshExposure = "tailnet",
  adminCidrs = [],
}: HostFirewallArgs): pulumi.Output<DeclaredRule[]> {
  if (sshExposure === "tailnet") return pulumi.output([ping]);
  if (Array.isArray(adminCidrs) && adminCidrs.every((cidr) => typeof cidr === "string"))
    checkAdminCidrs(host, adminCidrs);
  return pulumi.output(adminCidrs).apply((cidrs) => {
    checkAdminCidrs(host, cidrs);
    return [ping, { direction: "in", protocol: "tcp", port: "22", sourceIps: cidrs }];
  });
}

function checkAdminCidrs(host: string, cidrs: readonly string[]): void {
  const propertyPath = "adminCidrs";
  const next = 'Give your own address, e.g. 203.0.113.7/32, or set sshExposure to "tailnet".';
  if (cidrs.length === 0) {
    throw new pulumi.InputPropertyError({
      propertyPath,
      reason: `HostFirewall "${host}": sshExposure is "public", but adminCidrs names nobody. ${next}`,
    });
  }
  for (const cidr of cidrs) {
    const problem = cidrProblem(cidr);
    if (problem)
      throw new pulumi.InputPropertyError({ propertyPath, reason: `HostFirewall "${host}": adminCidrs: ${problem}.` });
  }
  if (isWorldOpen(cidrs)) {
    const all = cidrs.join(" and ");
    throw new pulumi.InputPropertyError({
      propertyPath,
      reason: `HostFirewall "${host}": adminCidrs covers the whole internet (${all}). ${next}`,
    });
  }
}

const descriptionOf = ({ protocol }: DeclaredRule) => (protocol === "icmp" ? "ping" : "ssh from the admin networks");
