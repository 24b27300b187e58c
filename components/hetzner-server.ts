import * as hcloud from "@pulumi/hcloud";
import * as pulumi from "@pulumi/pulumi";
import type { Adoption } from "../core/base/hetzner/adopt.ts";
import { labelsOf } from "../core/base/hetzner/labels.ts";
import type { ResizeGuard } from "../core/host/server/resize-guard.ts";
import { type BootstrapKeysArgs, bootstrapUserData } from "./bootstrap-user-data.ts";
import { adopting } from "./internal/adopt.ts";
import { checked, checkedFirewalls, checkHost, shapes } from "./internal/checked.ts";
import { resizeHooks, warnOfServerThatIsOff } from "./internal/resize-hooks.ts";
import { serverTransformed, type TransformServer } from "./internal/transform-server.ts";

export type { Resize, ResizeGuard } from "../core/host/server/resize-guard.ts";
export type { TransformServer } from "./internal/transform-server.ts";

/** One Hetzner server, created behind a firewall. COSTS MONEY by the hour from its creation, switched off too. */
export interface HetznerServerArgs {
  /** Server name, unique in the project. */
  host: string;
  /** e.g. `cx43`; changing it CUTS THE SERVER'S POWER, resizes it in place and starts it again. A bigger disk never shrinks. */
  serverType: pulumi.Input<string>;
  /** e.g. `nbg1`. Read at creation only. */
  location: pulumi.Input<string>;
  /** System image by name; the installation replaces what is on it. Read at creation only. */
  image: pulumi.Input<string>;
  /** In force before the first boot. */
  firewallIds: pulumi.Input<pulumi.Input<number>[]>;
  /**
   * Read at creation only. Carried by cloud-init's user_data, which any process on the server can read for ever: hence one-time.
   */
  bootstrapKeys: BootstrapKeysArgs;
  /** Whether the engine and Hetzner refuse to delete and rebuild the server. @default `true` */
  protect?: boolean;
  /**
   * Whether a second firewall, the window of `sshExposure: "bootstrap"`, may stay on the server. Otherwise any that is not in
   * `firewallIds` is taken off again.
   * @default `false`
   */
  keepsWindow?: boolean;
  /** Ids at Hetzner of a server and a key that are there already, and are taken over as they are. For one run. */
  adopt?: Pick<Adoption, "server" | "key">;
  /**
   * A placement group of yours, so that two hosts do not share a machine. Changing it later takes the server off the network
   * for some seconds: Hetzner wants it switched off.
   * @default none
   */
  placementGroupId?: pulumi.Input<number>;
  /**
   * A primary IPv4 of yours (`hcloud.PrimaryIp`, `autoDelete: false`), which outlives the server and keeps its address. It has
   * to be in the server's location. Read at creation; later changes are ignored, since the address is what was installed to.
   * @default Hetzner makes one, and deletes it with the server
   */
  primaryIpv4Id?: pulumi.Input<number>;
  /** The same for IPv6. @default Hetzner makes one, and deletes it with the server */
  primaryIpv6Id?: pulumi.Input<number>;
  /**
   * A last look at what the server is made of, e.g. to switch backups on (COSTS a fifth of the server more). What it returns may
   * not differ in name, firewalls, keys, cloud-init or protection; our labels stay.
   * @throws pulumi.InputPropertyError at `transform` if it does
   */
  transform?: TransformServer;
  /**
   * Asked before the server's type is changed, which cuts its power, and told when an update of it has failed. Of {@link loadHost}.
   * @default power is cut unannounced, and a server that Hetzner refuses to change stays off
   */
  resizeGuard?: ResizeGuard;
}

const createOnly = ["image", "location", "sshKeys", "userData"];
/** Only where addresses were given: Hetzner's own have never been among the inputs. */
const publicNetsOf = ({ primaryIpv4Id: ipv4, primaryIpv6Id: ipv6 }: HetznerServerArgs) =>
  ipv4 === undefined && ipv6 === undefined
    ? {}
    : {
        publicNets: [
          {
            ipv4Enabled: true,
            ipv6Enabled: true,
            ...(ipv4 !== undefined && { ipv4 }),
            ...(ipv6 !== undefined && { ipv6 }),
          },
        ],
      };

/**
 * A server that no change of its inputs ever replaces: what Hetzner reads only at creation is ignored afterwards, because
 * a replaced server is a wiped disk (hetznercloud/terraform-provider-hcloud#737, #372, #338). Usable alone: with a firewall, a
 * private network (`hcloud.ServerNetwork`) or a volume (`hcloud.VolumeAttachment`) of yours. No firewall of Hetzner's filters a
 * private network.
 * @throws `pulumi.InputPropertyError` at preview for what is known then
 */
export class HetznerServer extends pulumi.ComponentResource {
  /** Hetzner's server id, a positive integer. */
  readonly serverId: pulumi.Output<number>;
  /** Public address. */
  readonly ipv4: pulumi.Output<string>;
  /** First address of its public IPv6 network. */
  readonly ipv6: pulumi.Output<string>;

  constructor(name: string, args: HetznerServerArgs, opts: pulumi.ComponentResourceOptions = {}) {
    super("clawdlets:index:HetznerServer", name, {}, opts);
    const child = { parent: this, ...(opts.hooks && { hooks: opts.hooks }) };
    const owner = { component: "HetznerServer", host: args.host };
    checkHost(owner);
    const keys = args.bootstrapKeys;
    // Of its own: Hetzner refuses the same public key twice in a project. Without any, it would mail a root password.
    const key = new hcloud.SshKey(
      `${name}-bootstrap-key`,
      { name: `${args.host}-bootstrap`, publicKey: keys.clientPublicKey, labels: labelsOf(args.host) },
      { ...child, ignoreChanges: ["publicKey"], ...adopting(args.adopt?.key) },
    );
    const protect = args.protect ?? true;
    const { placementGroupId } = args;
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
      ignoreChanges: [...createOnly, ...(args.keepsWindow ? ["firewallIds"] : []), ...Object.keys(publicNets)],
      ...adopting(args.adopt?.server),
    });
    warnOfServerThatIsOff(args.host, server.status);
    this.serverId = server.id.apply(Number);
    this.ipv4 = server.ipv4Address;
    this.ipv6 = server.ipv6Address;
    this.registerOutputs({ serverId: this.serverId, ipv4: this.ipv4, ipv6: this.ipv6 });
  }
}
