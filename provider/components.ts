/**
 * What programs in other languages see: the source of `schema.json` (`npm run schema`), in the few types that every Pulumi language
 * has. The classes are only declarations; {@link ./component-package.ts} constructs those of the library.
 */
import type * as pulumi from "@pulumi/pulumi";

/** A rule of a Hetzner firewall. OPENS A PORT. Inbound only. */
export interface FirewallRule {
  /** `tcp`, `udp`, `icmp`, `esp` or `gre`. */
  protocol: string;
  /** A port, a range `"8000-8100"`, or `"any"`; required for TCP and UDP. A TCP range that includes 22 counts as SSH. */
  port?: string;
  /** Networks with prefix, at their network address, up to 100, e.g. `["0.0.0.0/0", "::/0"]`. */
  sourceIps: string[];
  /** Shown in Hetzner's console, up to 255 characters. */
  description?: string;
}

/** A rule as Hetzner's firewall has it. */
export interface DeclaredRule {
  /** Always `in`. */
  direction: string;
  /** Hetzner's name for it. */
  protocol: string;
  /** One port, a range or `"any"`; TCP and UDP only. */
  port?: string;
  /** Networks with prefix. */
  sourceIps: string[];
}

/** One hardened NixOS host. COSTS MONEY from its creation. */
export interface HostArgs {
  /** The host's name, as in `stacks/Pulumi.<host>.yaml`. Default: the resource's name. */
  host?: string;
  /** A folder in the project whose `stacks/` and `.clawdlets/` are used. Default: the program's folder. */
  folder?: string;
  /**
   * Settings by value, named as in docs/settings.md without `clawdlets:`. Default: those of `stacks/Pulumi.<host>.yaml`. Where that
   * file exists, each value has to be the file's. Only a preview works without it: the installation and later commands read the file.
   */
  // biome-ignore lint/suspicious/noExplicitAny: what the schema calls Any.
  settings?: { [name: string]: any };
  /** Inbound rules in addition to those of the settings. OPENS PORTS. */
  firewallRules?: pulumi.Input<FirewallRule>[];
  /** A placement group of yours, so that two hosts do not share a machine. */
  placementGroupId?: pulumi.Input<number>;
  /** A primary IPv4 of yours, which outlives the server and keeps its address. Read at creation only. */
  primaryIpv4Id?: pulumi.Input<number>;
  /** The same for IPv6. */
  primaryIpv6Id?: pulumi.Input<number>;
}

/** A locked-down host: a server behind a closed firewall that opens only while NixOS is installed, with a proof that it is closed. */
export declare class Host extends pulumi.ComponentResource {
  /** Hetzner's server id, a positive integer. */
  readonly serverId: pulumi.Output<number>;
  /** Where the host is reached without a tailnet: its IPv4 address, or its IPv6 address if it has no other. */
  readonly address: pulumi.Output<string>;
  /** Public IPv4 address; empty without one. */
  readonly ipv4: pulumi.Output<string>;
  /** First address of its public IPv6 network. */
  readonly ipv6: pulumi.Output<string>;
  /** The host's age recipient. */
  readonly recipient: pulumi.Output<string>;
  /** Known once the host is installed; names this installation. */
  readonly installId: pulumi.Output<string>;
  constructor(name: string, args: HostArgs, opts?: pulumi.ComponentResourceOptions);
}

/** What may reach one host. Inbound traffic is blocked unless a rule here allows it. */
export interface HostFirewallArgs {
  /** Host name; the firewall is called `<host>-fw`. */
  host: string;
  /**
   * Who may reach TCP/22 when nothing is being installed: `tailnet`, nobody on the internet; `public`, `adminCidrs`, which OPENS A
   * PORT; `bootstrap`, the installation's window STAYS OPEN. Default: `tailnet`.
   */
  sshExposure?: string;
  /** Networks with prefix, e.g. `203.0.113.7/32`. */
  adminCidrs?: pulumi.Input<pulumi.Input<string>[]>;
  /** Additional rules, up to 48, checked together with ours. */
  rules?: pulumi.Input<pulumi.Input<FirewallRule>[]>;
  /** Allows rules that together open TCP/22 to the world. ANYONE CAN THEN ATTACK sshd. Default: false. */
  allowWorldOpenSsh?: boolean;
}

/** The firewall that a server is created behind. Declares the locked rules, never an empty list. */
export declare class HostFirewall extends pulumi.ComponentResource {
  /** Hetzner's firewall id. Pass it when the server is created: attached later, it would not filter the first boot. */
  readonly firewallId: pulumi.Output<number>;
  /** The rules as declared. */
  readonly rules: pulumi.Output<DeclaredRule[]>;
  constructor(name: string, args: HostFirewallArgs, opts?: pulumi.ComponentResourceOptions);
}

/** One installation of NixOS on one server. Creating it WIPES THE SERVER'S DISK. */
export interface NixosInstallArgs {
  /** The host's name, as in `stacks/Pulumi.<host>.yaml` and `.clawdlets/stack.json`. */
  host: string;
  /** Hetzner's id of the server. Another server is another installation. */
  serverId: pulumi.Input<number>;
  /** Public address of the server: IPv4, or IPv6 without one. */
  address: pulumi.Input<string>;
  /** Increase it to reinstall the same server, which WIPES THE DISK. Default: 0. */
  reinstall?: pulumi.Input<number>;
}

/** Installs NixOS once per installation id. Needs the project's `.clawdlets/` and `clawdlets` on PATH. */
export declare class NixosInstall extends pulumi.ComponentResource {
  /** Identifies the installation, and is known once it is done. */
  readonly installId: pulumi.Output<string>;
  /** What the installation reported, as JSON text. */
  readonly report: pulumi.Output<string>;
  constructor(name: string, args: NixosInstallArgs, opts?: pulumi.ComponentResourceOptions);
}

/** The expected state of an installed host. */
export interface LockdownArgs {
  /** The host's name, as in `stacks/Pulumi.<host>.yaml`. */
  host: string;
  /** Hetzner's id of the server. */
  serverId: pulumi.Input<number>;
  /** Its public address: IPv4, or IPv6 without one. */
  address: pulumi.Input<string>;
  /** From the installation, so that the proof waits for it and runs again after each one. */
  installId: pulumi.Input<string>;
  /** Hetzner's id of the firewall. */
  firewallId: pulumi.Input<number>;
  /** All permitted inbound rules; any other rule fails the update. */
  rules: pulumi.Input<DeclaredRule[]>;
  /** `tailnet`, `public` or `bootstrap`. Default: `tailnet`. */
  sshExposure?: string;
  /** `tailscale` or `none`. Default: `tailscale`. */
  tailnet?: string;
}

/** Proves that the server is closed as declared, or fails the update and says what it found. */
export declare class Lockdown extends pulumi.ComponentResource {
  /** The findings, as JSON text. */
  readonly report: pulumi.Output<string>;
  constructor(name: string, args: LockdownArgs, opts?: pulumi.ComponentResourceOptions);
}
