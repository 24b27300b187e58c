import * as pulumi from "@pulumi/pulumi";
import type { Adoption } from "../core/base/hetzner/adopt.ts";
import { hasPool, type Placement } from "../core/host/server/choices.ts";
import { type HostSettings, keepsWindow } from "../core/project/settings/host.ts";
import { AgeKey } from "./age-key.ts";
import type { BootstrapKeysArgs } from "./bootstrap-user-data.ts";
import { HetznerServer, type HetznerServerArgs, type ResizeGuard } from "./hetzner-server.ts";
import { HostFirewall, type HostFirewallRule } from "./host-firewall.ts";
import { type BeforeCreate, buyingHooks } from "./internal/host-hooks.ts";
import { placeOf } from "./internal/place.ts";
import { announceOnly } from "./internal/resize-hooks.ts";
import { Lockdown } from "./lockdown.ts";
import { NixosConfiguration, type NixosConfigurationArgs } from "./nixos-configuration.ts";
import { NixosInstall } from "./nixos-install.ts";

export type { Placement } from "../core/host/server/choices.ts";
export type { HostSettings } from "../core/project/settings/host.ts";

/** One hardened NixOS host on Hetzner Cloud. COSTS MONEY from its creation. */
export interface HostArgs {
  /** The validated public settings from {@link loadHost}. @see docs/settings.md */
  settings: HostSettings;
  /** The operator's networks; only needed for `sshExposure: "public"`. */
  adminCidrs?: pulumi.Input<pulumi.Input<string>[]>;
  /** One-time keys for the installation. Without them, as in CI, nothing can be created. */
  bootstrapKeys?: BootstrapKeysArgs;
  /** Runs once before anything is bought. Throw to stop it. */
  beforeCreate?: BeforeCreate;
  /** Runs before the server's type changes, which cuts its power, and after a failed update. */
  resizeGuard?: ResizeGuard;
  /** What the server's type and location are drawn from. From {@link loadHost}. @default all that the settings allow */
  placement?: Placement;
  /** Hetzner ids of existing resources to adopt unchanged, for one run; the next run applies the differences. */
  adopt?: Adoption;
  /** Commit and secrets for the running host. Without it, the stack installs the host once and then leaves it alone. */
  configuration?: Pick<NixosConfigurationArgs, "revision" | "ciphertext" | "evaluate">;
  /** Inbound rules in addition to those of the settings, e.g. for addresses that the program knows. OPENS PORTS. @default `[]` */
  firewallRules?: pulumi.Input<HostFirewallRule>[];
  /** Server options that only a program can set: placement, addresses, extras. @default none */
  server?: Pick<HetznerServerArgs, "placementGroupId" | "primaryIpv4Id" | "primaryIpv6Id" | "transform">;
}

/** A locked-down host: a server behind a closed firewall that opens only while NixOS is installed, with a proof that it is closed. */
export class Host extends pulumi.ComponentResource {
  /** Hetzner's server id, a positive integer, e.g. for `hcloud.ServerNetwork` or `hcloud.VolumeAttachment`. */
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

  constructor(name: string, args: HostArgs, opts: pulumi.ComponentResourceOptions = {}) {
    super("clawdlets:index:Host", name, {}, opts);
    const { settings } = args;
    const { host } = settings;
    const bought = { parent: this, hooks: buyingHooks(name, host, args.beforeCreate, hasPool(settings)) };

    const ageKey = new AgeKey(name, { host, recipient: settings.ageRecipient }, { parent: this });
    const firewall = new HostFirewall(
      name,
      {
        host,
        sshExposure: settings.sshExposure,
        rules: [...settings.firewallRules, ...(args.firewallRules ?? [])],
        adopt: args.adopt?.firewall,
        ...(args.adminCidrs && { adminCidrs: args.adminCidrs }),
      },
      bought,
    );
    const server = new HetznerServer(
      name,
      {
        host,
        ...placeOf(name, settings, args.placement, this),
        image: settings.image,
        ipv4Enabled: settings.ipv4Enabled,
        firewallIds: [firewall.firewallId],
        bootstrapKeys: args.bootstrapKeys ?? placeholderKeys(host),
        protect: settings.protect,
        keepsWindow: keepsWindow(settings),
        ...(args.adopt && { adopt: args.adopt }),
        resizeGuard: args.resizeGuard ?? announceOnly,
        ...args.server,
      },
      bought,
    );
    const { serverId, address } = server;
    const install = new NixosInstall(
      name,
      { host, serverId, address, reinstall: settings.reinstall },
      { parent: this },
    );
    const { installId } = install;
    const { sshExposure, tailnet } = settings;
    const lockdown = new Lockdown(
      name,
      {
        host,
        serverId,
        address,
        installId,
        firewallId: firewall.firewallId,
        rules: firewall.rules,
        sshExposure,
        tailnet,
      },
      { parent: this, dependsOn: install },
    );
    if (args.configuration) {
      // After the proof that the port is closed: a broken configuration must not leave it open.
      new NixosConfiguration(
        name,
        { host, address, installId, ...args.configuration },
        { parent: this, dependsOn: lockdown },
      );
    }

    this.serverId = serverId;
    this.address = address;
    this.ipv4 = server.ipv4;
    this.ipv6 = server.ipv6;
    this.recipient = ageKey.recipient;
    this.installId = installId;
    this.registerOutputs({ serverId, address, ipv4: this.ipv4, ipv6: this.ipv6, installId });
  }
}

/** Placeholder keys for previews; never used to create a server, and an existing one ignores them. */
function placeholderKeys(host: string): BootstrapKeysArgs {
  const text = `(one-time key of ${host}, made by clawdlets init)`;
  return { hostPrivateKey: text, hostPublicKey: text, clientPublicKey: text };
}
