import * as hcloud from "@pulumi/hcloud";
import * as pulumi from "@pulumi/pulumi";
import { bootstrapUserData } from "../core/bootstrap/user-data.ts";
import type { Adoption } from "../core/hetzner/adopt.ts";
import { labelsOf } from "../core/hetzner/labels.ts";
import { adopting } from "./_adopt.ts";

/** The one-time keys a server is born with. The private half is worthless once the installation is over. */
export interface BootstrapKeysArgs {
  hostPrivateKey: pulumi.Input<string>;
  hostPublicKey: pulumi.Input<string>;
  clientPublicKey: pulumi.Input<string>;
}

/** One Hetzner server, created behind a firewall. COSTS MONEY by the hour from its creation, switched off too. */
export interface HetznerServerArgs {
  /** Server name, unique in the project. */
  host: string;
  /** e.g. `cx43`; changing it stops and resizes the server in place. */
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
}

const createOnly = ["image", "location", "sshKeys", "userData"];

/**
 * A server that no change of its inputs ever replaces: what Hetzner reads only at creation is ignored afterwards, because
 * a replaced server is a wiped disk (hetznercloud/terraform-provider-hcloud#737, #372, #338).
 */
export class HetznerServer extends pulumi.ComponentResource {
  /** Hetzner's server id, a positive integer. */
  readonly serverId: pulumi.Output<number>;
  readonly ipv4: pulumi.Output<string>;
  readonly ipv6: pulumi.Output<string>;

  constructor(name: string, args: HetznerServerArgs, opts: pulumi.ComponentResourceOptions = {}) {
    super("clawdlets:index:HetznerServer", name, {}, opts);
    const child = { parent: this, ...(opts.hooks && { hooks: opts.hooks }) };
    const keys = args.bootstrapKeys;
    // Of its own: Hetzner refuses the same public key twice in a project. Without any, it would mail a root password.
    const key = new hcloud.SshKey(
      `${name}-bootstrap-key`,
      { name: `${args.host}-bootstrap`, publicKey: keys.clientPublicKey, labels: labelsOf(args.host) },
      { ...child, ignoreChanges: ["publicKey"], ...adopting(args.adopt?.key) },
    );
    const protect = args.protect ?? true;
    const server = new hcloud.Server(
      `${name}-server`,
      {
        name: args.host,
        serverType: args.serverType,
        location: args.location,
        image: args.image,
        firewallIds: args.firewallIds,
        sshKeys: [key.id],
        userData: pulumi.secret(
          pulumi
            .all([keys.hostPrivateKey, keys.hostPublicKey, keys.clientPublicKey])
            .apply(([hostPrivateKey, hostPublicKey, clientPublicKey]) =>
              bootstrapUserData({ hostPrivateKey, hostPublicKey, clientPublicKey }),
            ),
        ),
        labels: labelsOf(args.host),
        deleteProtection: protect,
        rebuildProtection: protect,
      },
      {
        ...child,
        protect,
        ignoreChanges: [...createOnly, ...(args.keepsWindow ? ["firewallIds"] : [])],
        ...adopting(args.adopt?.server),
      },
    );
    this.serverId = server.id.apply(Number);
    this.ipv4 = server.ipv4Address;
    this.ipv6 = server.ipv6Address;
    this.registerOutputs({ serverId: this.serverId, ipv4: this.ipv4, ipv6: this.ipv6 });
  }
}
