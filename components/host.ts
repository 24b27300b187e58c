import * as pulumi from "@pulumi/pulumi";
import type { Adoption } from "../core/base/hetzner/adopt.ts";
import { type HostSettings, keepsWindow } from "../core/project/settings/host.ts";
import { AgeKey } from "./age-key.ts";
import type { BootstrapKeysArgs } from "./bootstrap-user-data.ts";
import { HetznerServer, type HetznerServerArgs, type ResizeGuard } from "./hetzner-server.ts";
import { HostFirewall, type HostFirewallRule } from "./host-firewall.ts";
import { type BeforeCreate, buyingHooks } from "./internal/host-hooks.ts";
import { announceOnly } from "./internal/resize-hooks.ts";
import { Lockdown } from "./lockdown.ts";
import { NixosConfiguration, type NixosConfigurationArgs } from "./nixos-configuration.ts";
import { NixosInstall } from "./nixos-install.ts";

export type { HostSettings } from "../core/project/settings/host.ts";

/** One hardened NixOS host on Hetzner Cloud. COSTS MONEY from its creation. */
export interface HostArgs {
  /** The public settings, checked, as {@link loadHost} reads them. @see docs/settings.md */
  settings: HostSettings;
  /** The operator's networks; only needed for `sshExposure: "public"`. */
  adminCidrs?: pulumi.Input<pulumi.Input<string>[]>;
  /** One-time keys for the installation; left out where there are none (CI), where nothing can be created. */
  bootstrapKeys?: BootstrapKeysArgs;
  /** Runs once before anything is bought, and stops it by throwing. */
  beforeCreate?: BeforeCreate;
  /** Asked before the server's type is changed, which cuts its power, and told when an update of it has failed. */
  resizeGuard?: ResizeGuard;
  /** Ids at Hetzner of what is there already and is taken over as it is, for one run; the next applies what differs. */
  adopt?: Adoption;
  /** What the running host is brought to; left out, the stack installs it once and leaves it alone. */
  configuration?: Pick<NixosConfigurationArgs, "revision" | "ciphertext" | "evaluate">;
  /** Inbound rules beside those of the settings, e.g. from addresses that the program knows. OPENS PORTS. @default `[]` */
  firewallRules?: pulumi.Input<HostFirewallRule>[];
  /** What of the server is the program's to say: where it runs, its addresses, its extras. @default nothing */
  server?: Pick<HetznerServerArgs, "placementGroupId" | "primaryIpv4Id" | "primaryIpv6Id" | "transform">;
}

/** From nothing to locked: a server behind a closed firewall, opened only while NixOS is installed, closed, and shown to be closed. */
export class Host extends pulumi.ComponentResource {
  /** Hetzner's server id, a positive integer, e.g. for `hcloud.ServerNetwork` or `hcloud.VolumeAttachment`. */
  readonly serverId: pulumi.Output<number>;
  /** Public address. */
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
    const bought = { parent: this, hooks: buyingHooks(name, host, args.beforeCreate) };

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
        serverType: settings.serverType,
        location: settings.location,
        image: settings.image,
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
    const { serverId, ipv4: address } = server;
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
      // After the port was seen closed: what is wrong with a configuration must not leave it open.
      new NixosConfiguration(
        name,
        { host, address, installId, ...args.configuration },
        { parent: this, dependsOn: lockdown },
      );
    }

    this.serverId = serverId;
    this.ipv4 = address;
    this.ipv6 = server.ipv6;
    this.recipient = ageKey.recipient;
    this.installId = installId;
    this.registerOutputs({ serverId, ipv4: this.ipv4, ipv6: this.ipv6, installId });
  }
}

/** Where the keys are not: good for a preview. A server that exists ignores them, and one that does not is not created with them. */
function placeholderKeys(host: string): BootstrapKeysArgs {
  const text = `(one-time key of ${host}, made by clawdlets init)`;
  return { hostPrivateKey: text, hostPublicKey: text, clientPublicKey: text };
}
