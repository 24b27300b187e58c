import * as hcloud from "@pulumi/hcloud";
import * as pulumi from "@pulumi/pulumi";
import { labelsOf } from "../core/base/hetzner/labels.ts";
import { inboundRules } from "../core/project/firewall/firewall-rules.ts";
import {
  type Declaration,
  type DeclaredRule,
  declarationProblems,
  declaredRules,
  worldOpenOf,
} from "../core/project/settings/declared-rules.ts";
import type { SshExposure } from "../core/project/settings/stack-config/stack-config.ts";
import { adopting } from "./internal/adopt.ts";
import { isPlain } from "./internal/plain.ts";

export type { DeclaredRule } from "../core/project/settings/declared-rules.ts";

/** One additional rule. OPENS A PORT. Inbound only, see docs/settings.md. */
export type HostFirewallRule = {
  /** Shape: networks with prefix, at their network address, up to 100, e.g. `["0.0.0.0/0", "::/0"]`. */
  sourceIps: pulumi.Input<pulumi.Input<string>[]>;
  /** Shown in Hetzner's console, up to 255 characters. */
  description?: pulumi.Input<string> | undefined;
} & (
  | {
      protocol: "tcp" | "udp";
      /** Shape: a port, a range `"8000-8100"`, or `"any"`. A TCP range that includes 22 counts as SSH. */
      port: pulumi.Input<number | string>;
    }
  | { protocol: "icmp" | "esp" | "gre" }
);

/** What may reach one host. Inbound traffic is blocked unless a rule here allows it. */
export interface HostFirewallArgs {
  /** Host name; the firewall is called `<host>-fw`. */
  host: string;
  /**
   * Who may reach TCP/22 when nothing is being installed. `"tailnet"`: nobody on the internet. `"public"`: `adminCidrs`, which OPENS A
   * PORT. The installation needs neither: it opens its own window and closes it again. `"bootstrap"`: that window STAYS OPEN until
   * `clawdlets lockdown`, with a warning on every run.
   * @default `"tailnet"`
   */
  sshExposure?: SshExposure;
  /**
   * Shape: networks with prefix, IPv4 or IPv6, e.g. `203.0.113.7/32`. Together at most a /8 of IPv4 and a /19 of IPv6.
   * @default nobody, so that `sshExposure: "public"` is refused; a preview omits the rules, with a warning
   * @see Hetzner Cloud API, Firewalls, `rules[].source_ips`
   */
  adminCidrs?: pulumi.Input<pulumi.Input<string>[]>;
  /**
   * Additional rules, up to 48, checked together with ours.
   * @default `[]`
   */
  rules?: pulumi.Input<pulumi.Input<HostFirewallRule>[]>;
  /**
   * Allows rules that together open TCP/22 to the world, with a warning on every run. ANYONE CAN THEN ATTACK sshd.
   * @default `false`: refused, however the rules are written
   */
  allowWorldOpenSsh?: boolean;
  /** Hetzner id of an existing firewall to adopt unchanged, for one run. */
  adopt?: number | undefined;
}

/**
 * The firewall that a server is created behind. Declares the locked rules, never an empty list; a change is one `set_rules` call, and
 * the firewall stays attached throughout.
 * @throws `pulumi.InputPropertyError` at preview for what is known then, otherwise before any rule is written
 */
export class HostFirewall extends pulumi.ComponentResource {
  /** Hetzner's firewall id. Pass it when the server is created: attached later, it would not filter the first boot. */
  readonly firewallId: pulumi.Output<number>;
  /** The rules as declared. */
  readonly rules: pulumi.Output<DeclaredRule[]>;

  constructor(name: string, args: HostFirewallArgs, opts: pulumi.ComponentResourceOptions = {}) {
    super("clawdlets:index:HostFirewall", name, {}, opts);
    // A clone without local settings, as in CI, knows everything about this host except the admins' networks.
    const isUnknown = args.sshExposure === "public" && args.adminCidrs === undefined && pulumi.runtime.isDryRun();
    if (isUnknown) void pulumi.log.warn(notCompared(args.host), this);
    const declared = this.#declare(isUnknown ? { ...args, sshExposure: "tailnet" } : args);
    this.rules = declared.apply((each) => each.map(({ rule }) => rule));
    const firewall = new hcloud.Firewall(
      `${name}-firewall`,
      {
        name: `${args.host}-fw`,
        labels: labelsOf(args.host),
        rules: declared.apply((each) => each.map(({ rule, description }) => ({ ...rule, description }))),
      },
      {
        parent: this,
        ...(opts.hooks && { hooks: opts.hooks }),
        ...(isUnknown && { ignoreChanges: ["rules"] }),
        ...adopting(args.adopt),
      },
    );
    this.firewallId = firewall.id.apply(Number);
    this.registerOutputs({ firewallId: this.firewallId });
  }

  #declare(args: HostFirewallArgs): pulumi.Output<ReturnType<typeof declaredRules>> {
    const { host, sshExposure = "tailnet", allowWorldOpenSsh = false } = args;
    const [adminCidrs, rules] = [args.adminCidrs ?? [], args.rules ?? []];
    const fixed = { host, sshExposure, allowWorldOpenSsh };
    if (sshExposure === "bootstrap") void pulumi.log.warn(keptOpen(host), this);
    if (isPlain(adminCidrs) && isPlain(rules)) {
      check({ ...fixed, adminCidrs: adminCidrs as string[], rules: rules as unknown[] });
    }
    return pulumi.all([pulumi.output(adminCidrs), pulumi.output(rules)]).apply(([cidrs, further]) => {
      const declaration = { ...fixed, adminCidrs: cidrs, rules: further };
      check(declaration);
      const checked = { ...declaration, rules: inboundRules.parse(further) };
      const world = worldOpenOf(checked);
      if (world !== undefined) void pulumi.log.warn(worldOpen(host, world), this);
      return declaredRules(checked);
    });
  }
}

/** @throws pulumi.InputPropertyError for one problem, pulumi.InputPropertiesError for several */
function check(declaration: Declaration): void {
  const problems = declarationProblems(declaration).map(({ propertyPath, reason }) => {
    return { propertyPath, reason: `HostFirewall "${declaration.host}": ${reason}` };
  });
  const [first, ...others] = problems;
  if (first === undefined) return;
  if (others.length === 0) throw new pulumi.InputPropertyError(first);
  throw new pulumi.InputPropertiesError({
    message: problems.map(({ reason }) => reason).join("\n"),
    errors: problems,
  });
}

const notCompared = (host: string) =>
  `${host}: sshExposure is "public", but the admin networks are not known here: this preview omits the firewall's rules.`;
const keptOpen = (host: string) =>
  `${host}: sshExposure is "bootstrap": the window that the installation opens on TCP/22 STAYS OPEN to the admin networks until: clawdlets lockdown --host ${host}. Then set sshExposure to "tailnet".`;
const worldOpen = (host: string, reason: string) =>
  `${host}: TCP/22 IS OPEN TO THE WORLD by allowWorldOpenSsh: what can reach it ${reason}.`;
