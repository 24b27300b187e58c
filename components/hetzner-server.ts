import * as hcloud from "@pulumi/hcloud";
import * as pulumi from "@pulumi/pulumi";
import type { Adoption } from "../core/base/hetzner/adopt.ts";
import { labelsOf } from "../core/base/hetzner/labels.ts";
import type { ResizeGuard } from "../core/host/server/resize-guard.ts";
import { type BootstrapKeysArgs, bootstrapUserData } from "./bootstrap-user-data.ts";
import { adopting } from "./internal/adopt.ts";
import { checked, checkedFirewalls, checkHost, type Owner, shapes } from "./internal/checked.ts";
import { resizeHooks, warnOfServerThatIsOff } from "./internal/resize-hooks.ts";
import { serverTransformed, type TransformServer } from "./internal/transform-server.ts";

export type { Resize, ResizeGuard } from "../core/host/server/resize-guard.ts";
export type { TransformServer } from "./internal/transform-server.ts";

/** One Hetzner server, created behind a firewall. COSTS MONEY by the hour from its creation, even when it is switched off. */
export interface HetznerServerArgs {
  /** Server name, unique in the project. */
  host: string;
  /** e.g. `cx43`; changing it CUTS THE SERVER'S POWER, resizes it in place and starts it again. A bigger disk never shrinks. */
  serverType: pulumi.Input<string>;
  /** One location, e.g. `nbg1`. Read at creation only. */
  location: pulumi.Input<string>;
  /** Name of the system image, or a snapshot's id, which the installation overwrites. Read at creation only. */
  image: pulumi.Input<string>;
  /** In force before the first boot. */
  firewallIds: pulumi.Input<pulumi.Input<number>[]>;
  /**
   * Read at creation only. Passed in cloud-init's user_data, which any process on the server can read for ever; therefore one-time.
   */
  bootstrapKeys: BootstrapKeysArgs;
  /** Whether the engine and Hetzner refuse to delete and rebuild the server. @default `true` */
  protect?: boolean;
  /**
   * Whether a second firewall, the window of `sshExposure: "bootstrap"`, may stay on the server. Otherwise firewalls that are not in
   * `firewallIds` are removed.
   * @default `false`
   */
  keepsWindow?: boolean;
  /** Hetzner ids of an existing server and key to adopt unchanged, for one run. */
  adopt?: Pick<Adoption, "server" | "key">;
  /**
   * A placement group of yours, so that two hosts do not share a machine. Changing it later interrupts the network for some seconds:
   * Hetzner requires the server to be off.
   * @default none
   */
  placementGroupId?: pulumi.Input<number>;
  /**
   * Whether the server gets a public IPv4 address, WHICH COSTS MONEY. Without one it is reached at its IPv6 address. Read at creation
   * only.
   * @default `true`
   */
  ipv4Enabled?: boolean;
  /**
   * A primary IPv4 of yours (`hcloud.PrimaryIp`, `autoDelete: false`), which outlives the server and keeps its address. It must be in
   * the server's location. Read at creation; later changes are ignored, since the installed host is known by its address.
   * @default Hetzner creates one, and deletes it with the server
   */
  primaryIpv4Id?: pulumi.Input<number>;
  /** The same for IPv6. @default Hetzner creates one, and deletes it with the server */
  primaryIpv6Id?: pulumi.Input<number>;
  /**
   * Changes the server's arguments before it is created, e.g. to enable backups (COSTS 20 % MORE). Name, firewalls, keys, cloud-init and
   * protection must not change; our labels are kept.
   * @throws pulumi.InputPropertyError at `transform` if it does
   */
  transform?: TransformServer;
  /**
   * Runs before the server's type changes, which cuts its power, and after a failed update. From {@link loadHost}.
   * @default the power cut is not announced, and a server that Hetzner refuses to change stays off
   */
  resizeGuard?: ResizeGuard;
}

const createOnly = ["image", "location", "sshKeys", "userData"];
/** Only if something was given: the addresses that Hetzner creates are never inputs. */
const publicNetsOf = ({ primaryIpv4Id: ipv4, primaryIpv6Id: ipv6, ipv4Enabled = true }: HetznerServerArgs) =>
  ipv4 === undefined && ipv6 === undefined && ipv4Enabled
    ? {}
    : {
        publicNets: [
          {
            ipv4Enabled,
            ipv6Enabled: true,
            ...(ipv4 !== undefined && { ipv4 }),
            ...(ipv6 !== undefined && { ipv6 }),
          },
        ],
      };

/**
 * A server that no change of its inputs ever replaces. Inputs that Hetzner reads only at creation are ignored afterwards, because
 * replacing a server wipes its disk (hetznercloud/terraform-provider-hcloud#737, #372, #338). Usable on its own: with your own
 * firewall, private network (`hcloud.ServerNetwork`) or volume (`hcloud.VolumeAttachment`). Hetzner's firewalls do not filter private
 * networks.
 * @throws `pulumi.InputPropertyError` at preview for what is known then
 */
export class HetznerServer extends pulumi.ComponentResource {
  /** Hetzner's server id, a positive integer. */
  readonly serverId: pulumi.Output<number>;
  /** Where the server is reached: its IPv4 address, or its IPv6 address if it was created without one. */
  readonly address: pulumi.Output<string>;
  /** Public IPv4 address; empty without one. */
  readonly ipv4: pulumi.Output<string>;
  /** First address of its public IPv6 network. */
  readonly ipv6: pulumi.Output<string>;

  constructor(name: string, args: HetznerServerArgs, opts: pulumi.ComponentResourceOptions = {}) {
    super("clawdlets:index:HetznerServer", name, {}, opts);
    const child = { parent: this, ...(opts.hooks && { hooks: opts.hooks }) };
    const owner = { component: "HetznerServer", host: args.host };
    checkHost(owner);
    const keys = args.bootstrapKeys;
    // One key per host: Hetzner refuses a duplicate public key in a project. Without any, it would mail a root password.
    const key = new hcloud.SshKey(
      `${name}-bootstrap-key`,
      { name: `${args.host}-bootstrap`, publicKey: keys.clientPublicKey, labels: labelsOf(args.host) },
      { ...child, ignoreChanges: ["publicKey"], ...adopting(args.adopt?.key) },
    );
    const protect = args.protect ?? true;
    const { placementGroupId } = args;
    checkAddresses(owner, args);
    const publicNets = publicNetsOf(args);
    const declared: hcloud.ServerArgs = {
      name: args.host,
      serverType: checked(owner, "serverType", args.serverType, shapes.word),
      location: checked(owner, "location", args.location, shapes.word),
      image: checked(owner, "image", args.image, shapes.word),
      firewallIds: checkedFirewalls(owner, args.firewallIds),
      sshKeys: [key.id],
      userData: bootstrapUserData(keys),
      labels: labelsOf(args.host),
      deleteProtection: protect,
      rebuildProtection: protect,
      ...(placementGroupId !== undefined && { placementGroupId }),
      ...publicNets,
    };
    const server = new hcloud.Server(`${name}-server`, serverTransformed(owner, declared, args.transform), {
      ...child,
      ...(args.resizeGuard && { hooks: resizeHooks(name, args.host, args.resizeGuard, opts.hooks) }),
      protect,
      ignoreChanges: [...createOnly, ...(args.keepsWindow ? ["firewallIds"] : []), "publicNets"],
      ...adopting(args.adopt?.server),
    });
    warnOfServerThatIsOff(args.host, server.status);
    this.serverId = server.id.apply(Number);
    // The provider leaves out what the server does not have.
    this.ipv4 = server.ipv4Address.apply((address: string | undefined) => address ?? "");
    this.ipv6 = server.ipv6Address.apply((address: string | undefined) => address ?? "");
    this.address = args.ipv4Enabled === false ? this.ipv6 : this.ipv4;
    const { serverId, address, ipv4, ipv6 } = this;
    this.registerOutputs({ serverId, address, ipv4, ipv6 });
  }
}

/** @throws pulumi.InputPropertyError for an IPv4 address of a server that gets none */
function checkAddresses({ component, host }: Owner, { ipv4Enabled, primaryIpv4Id }: HetznerServerArgs): void {
  if (ipv4Enabled !== false || primaryIpv4Id === undefined) return;
  const reason = `${component} "${host}": primaryIpv4Id is set, and ipv4Enabled is false. Remove one of them.`;
  throw new pulumi.InputPropertyError({ propertyPath: "primaryIpv4Id", reason });
}
