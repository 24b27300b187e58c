import { z } from "zod";
import { inboundRules } from "../../firewall/firewall-rules.ts";
import { opensSsh } from "../../firewall/opens-ssh.ts";
import { backupSettings } from "../backups.ts";
import {
  ageRecipient,
  botName,
  hostNamePattern,
  matching,
  secretName,
  sshPublicKey,
  tagName,
  withoutLogin,
} from "../names.ts";
import { count, eachOnce, flag, parseJson, publicList } from "./fields.ts";
import { installSettings } from "./install.ts";
import { nixPublicKeys } from "./nix-caches.ts";
import { rebuildSettings } from "./rebuild.ts";
import { loginServer, tailnets, tailnetTag } from "./tailnet.ts";

/** The namespace of our settings in a stack file: the project's name. */
export const configNamespace = "clawdlets";

/** Hetzner has had this image since 2023; only other images are looked up before a server is bought. */
export const defaultImage = "debian-12";

/** No duplicates: a duplicate name would be created, delivered and counted twice. */
const nameList = (name: z.ZodString, what: string) => publicList(name, what).superRefine(eachOnce("name"));

/** @see stackConfig `tags` */
const tagList = publicList(tagName, "tags").superRefine(eachOnce("tag"));

/** @see stackConfig `sshExposure` */
export const sshExposures = ["tailnet", "public", "bootstrap"] as const;
export type SshExposure = (typeof sshExposures)[number];

const withoutSsh = inboundRules.superRefine((rules, context) => {
  for (const [index, { sourceIps, ...rule }] of rules.entries()) {
    if (!opensSsh({ direction: "in", ...rule, source_ips: sourceIps })) continue;
    const message =
      'opens TCP/22; allowed: ports without 22. sshExposure: "public" opens it to the admin networks of .clawdlets/stack.json, which do not belong in this public file';
    context.addIssue({ code: "custom", message, path: [index], params: { isPredicate: true } });
  }
});

const serverType = matching(/^[a-z][a-z0-9]{1,30}$/, "allowed: a Hetzner server type, e.g. cx43");

const oneLocation = "allowed: a Hetzner location, e.g. nbg1, fsn1 or hel1";
const locationPattern = /^[a-z]{3}[0-9]{0,2}$/;
const isLocation = (value: unknown) => typeof value === "string" && locationPattern.test(value);

/** Checked in one piece, since the issues of a union have no path of their own. */
const location = z.custom<string | string[]>().superRefine((value, context) => {
  if (!Array.isArray(value) || value.length === 0) {
    const message = `${oneLocation}, or a list of them`;
    if (!isLocation(value)) context.addIssue({ code: "custom", message });
    return;
  }
  for (const [index, each] of value.entries()) {
    if (!isLocation(each)) context.addIssue({ code: "custom", message: oneLocation, path: [index] });
  }
  eachOnce("location")(value, context);
});

/**
 * The settings in `stacks/Pulumi.<host>.yaml`. Committed and public: keys and recipients are public halves, and addresses and
 * ids of real machines are elsewhere (in `.clawdlets/stack.json` and the state).
 */
export const stackConfig = z.strictObject({
  /**
   * Hetzner server type: x86 (CX, CPX, CCX) or ARM (CAX), for which the flake builds aarch64-linux.
   * @see Hetzner Cloud API, Server Types, `name`
   */
  serverType,
  /**
   * Further types, in order: the first that is in stock in one of the locations is ordered if `serverType` is sold out in all of them.
   * All of one architecture, each once, and without `serverType`, which is always tried first. An existing server keeps its type as long as the type is `serverType` or in this list. May COST MORE than `serverType`. @default `[]`
   */
  serverTypes: publicList(serverType, "Hetzner server types").superRefine(eachOnce("type")).default([]),
  /**
   * One location, or a list: a new server is ordered in one of those that have its type in stock, drawn per host and kept afterwards.
   * @default `nbg1`, as upstream
   */
  location: z
    .preprocess(
      (value) => (typeof value === "string" && value.trimStart().startsWith("[") ? parseJson(value) : value),
      location,
    )
    .default("nbg1"),
  /**
   * Whether the server gets a public IPv4 address, WHICH COSTS MONEY. Without one, everything uses its IPv6 address: your machine needs
   * IPv6, `adminCidr` has to be an IPv6 network, and new systems are built here (`rebuild.buildOn: local`). Read at creation only.
   * @default `true`
   */
  ipv4Enabled: flag.default(true),
  /**
   * The image that the server boots before NixOS replaces it: a system image by name, or a snapshot of yours by its id, which needs
   * cloud-init. Only used at creation and by a reinstallation. @default `debian-12`
   */
  image: z
    .preprocess(
      (value) => (typeof value === "number" && Number.isSafeInteger(value) ? String(value) : value),
      matching(
        /^(?:[a-z][a-z0-9.-]{1,62}|[1-9][0-9]{0,14})$/,
        "allowed: a Hetzner system image by name, e.g. debian-12, or a snapshot's id",
      ),
    )
    .default(defaultImage),
  /**
   * Flake URI without attribute: `github:`, `git+https:`, `git+ssh:`, `git+file:` or a folder. `?rev=` names a commit,
   * `?ref=` a branch or tag, resolved when an installation starts. @default `base.flake` of stack.json, then our own origin
   */
  flake: withoutLogin(matching(/^(?!-)\P{Cc}+$/u, "allowed: a flake URI, e.g. github:you/hosts")).optional(),
  /** The nixosConfigurations attribute. @default the stack's name */
  flakeHost: matching(hostNamePattern, "allowed: a nixosConfigurations attribute such as web-1").optional(),
  /**
   * Who may reach TCP/22 when nothing is being installed: no one on the internet (`tailnet`), or the admin CIDRs of stack.json
   * (`public`). `bootstrap` keeps the window of the installation open for them until `clawdlets lockdown`, and warns on every
   * run. @default `tailnet`
   */
  sshExposure: z.enum(sshExposures, 'allowed: "tailnet", "public" or "bootstrap"').default("tailnet"),
  /**
   * Further inbound rules, e.g. for a web server. They must not open TCP/22: use `sshExposure`, which keeps your networks out of
   * this public file. OPENS PORTS. @default `[]`
   */
  firewallRules: z
    .preprocess((value) => (typeof value === "string" ? parseJson(value) : value), withoutSsh)
    .default([]),
  /**
   * How to reach the host once the port is closed: Tailscale, a headscale of your own, which needs `tailnetLoginServer`, or `none`:
   * only the console is left. @default `tailscale`
   */
  tailnet: z.enum(tailnets, 'allowed: "tailscale", "headscale" or "none"').default("tailscale"),
  /** Control server that the host joins through; required with `headscale`. Counts at the next join. @default Tailscale's */
  tailnetLoginServer: loginServer.optional(),
  /** Tags that the host asks for when it joins; an OAuth client's secret in place of an auth key requires them. @default `[]` */
  tailnetTags: publicList(tailnetTag, "tailnet tags").default([]),
  /** The host's age recipient. */
  ageRecipient,
  /** SSH host key (public half) of the installed host. */
  sshHostKey: sshPublicKey,
  /**
   * Keys that sign the host's systems, nix public keys, oldest first. A running host switches only to what one of them has signed;
   * with none, to any commit of its branch. @default `[]`; `init` makes one
   */
  systemKeys: nixPublicKeys.default([]),
  /** Who may log in as `admin`. */
  adminSshKeys: publicList(sshPublicKey, "OpenSSH public keys").refine(
    (keys) => keys.length > 0,
    "allowed: at least one key",
  ),
  /** @default `[]` */
  bots: nameList(botName, "bot names").default([]),
  /** Further secrets that must exist before a server is bought. @default `[]` */
  secrets: nameList(secretName, "secret names").default([]),
  /** Groups of the host, for `--tag` in commands for many hosts. Has no effect on the server. @default `[]` */
  tags: tagList.default([]),
  /** Increase it to reinstall the host, which WIPES THE DISK. @default `0` */
  reinstall: count.default(0),
  /** Makes the engine and Hetzner refuse to delete or rebuild the server. @default `true` */
  protect: flag.default(true),
  /** How nixos-anywhere is run. Changing it does not reinstall anything. */
  install: z
    .preprocess((value) => (typeof value === "string" ? parseJson(value) : value), installSettings)
    .prefault({}),
  /** Where the bots' folders are backed up to, and when. @default no backups */
  backups: z.preprocess((value) => (typeof value === "string" ? parseJson(value) : value), backupSettings).optional(),
  /** How a running host is updated. */
  rebuild: z
    .preprocess((value) => (typeof value === "string" ? parseJson(value) : value), rebuildSettings)
    .prefault({}),
});

export type StackConfig = z.infer<typeof stackConfig>;
