import { z } from "zod";
import { didYouMean } from "../../base/nearest.ts";
import type { Problem } from "../../base/problem.ts";
import { problemsOf } from "../../base/problems.ts";
import { inboundRules } from "../firewall/firewall-rules.ts";
import { opensSsh } from "../firewall/opens-ssh.ts";
import { backupSettings } from "./backups.ts";
import { builderKey, buildPlace, parseBuilder } from "./builder.ts";
import { ageRecipient, hostNamePattern, matching, secretName, sshPublicKey, tagName, withoutLogin } from "./names.ts";
import { architectureProblems } from "./server/architecture.ts";
import { ipv6OnlyProblems } from "./server/ipv6-only.ts";

/** The namespace of our settings in a stack file: the project's name. */
export const configNamespace = "clawdlets";

/** Hetzner has had this image since 2023; only other images are looked up before a server is bought. */
export const defaultImage = "debian-12";

const publicList = <T extends z.ZodType>(item: T, what: string) =>
  z.preprocess(
    (value) => (typeof value === "string" ? parseList(value) : value),
    z.array(item, `allowed: a list of ${what}`),
  );

/** No duplicates: a duplicate name would be created, delivered and counted twice. */
const nameList = (what: string) =>
  publicList(secretName, what).refine((names) => new Set(names).size === names.length, "allowed: each name once");

/** @see stackConfig `tags` */
const tagList = publicList(tagName, "tags").refine(
  (tags) => new Set(tags).size === tags.length,
  "allowed: each tag once",
);

const countAllowed = "allowed: 0, 1, 2, …";

/**
 * The engine passes numbers as text. Only digits are accepted: Number() would turn `true` into 1, and that would wipe a
 * disk.
 */
const count = z.preprocess(
  (value) => (typeof value === "string" && /^(0|[1-9][0-9]{0,8})$/.test(value) ? Number(value) : value),
  z.number(countAllowed).int(countAllowed).min(0, countAllowed),
);

const flag = z.preprocess(
  (value) => (value === "true" ? true : value === "false" ? false : value),
  z.boolean("allowed: true or false"),
);

const minutesAllowed = "allowed: whole minutes, 1 to 240";
const minutes = z.preprocess(
  (value) => (typeof value === "string" && /^[1-9][0-9]{0,2}$/.test(value) ? Number(value) : value),
  z.number(minutesAllowed).int(minutesAllowed).min(1, minutesAllowed).max(240, minutesAllowed),
);

/**
 * Ends up on a command line and in a script on the server: no user, password or query, which could be secret (or, in a
 * substituter, `?trusted=1`), and no characters that are special to a shell.
 */
const plainHttpsUrl = String.raw`https:\/\/[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?(?::[0-9]{1,5})?`;
const urlPath = String.raw`(?:\/[\w.~%+,=@:-]+)`;

const kexecTarball = withoutLogin(
  matching(
    new RegExp(String.raw`^(?:${plainHttpsUrl})?${urlPath}+\.tar(?:\.gz|\.xz|\.zst)?$`),
    "allowed: an https URL without user, password or query, or an absolute path, of a .tar, .tar.gz, .tar.xz or .tar.zst",
  ),
);

const substituter = withoutLogin(
  matching(
    new RegExp(`^${plainHttpsUrl}${urlPath}*\\/?$`),
    "allowed: an https URL without user, password or query, e.g. https://nix-community.cachix.org",
  ),
);

/** An Ed25519 public key has 32 bytes, so 43 characters of base64. */
const nixPublicKey = /^[\w.@+-]{1,100}:[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=$/;

/** Checked as a whole list, because its items must not be shown: a nix secret key looks the same, only longer. */
const nixPublicKeys = publicList(z.string("allowed: a nix public key, name:base64="), "nix public keys").superRefine(
  (keys, context) => {
    const wrong = keys.findIndex((key) => !nixPublicKey.test(key));
    if (wrong < 0) return;
    const message = `number ${wrong + 1} in it is not a nix public key (not shown, because it may be a secret key); allowed: name:, 43 characters of base64 and "="`;
    context.addIssue({ code: "custom", message });
  },
);

/** Options of nixos-anywhere that a user may add: only those that change how it builds and what it prints. */
export const installerOptions = [
  "--print-build-logs",
  "--show-trace",
  "--no-substitute-on-destination",
  "--no-use-machine-substituters",
] as const;

/** Why some other options of nixos-anywhere are refused. */
const refusedOptions: Readonly<Record<string, string>> = {
  "--debug": "it prints every ssh command",
  "--ssh-option": "it could turn off host key checking",
  "-i": "the one-time key is passed already, and is replaced after the installation",
  "-p": "nixos-anywhere changes it after kexec; CLAWDLETS_SSH_PORT is the port",
  "--ssh-port": "nixos-anywhere changes it after kexec; CLAWDLETS_SSH_PORT is the port",
  "--copy-host-keys": "the installed host has its own key, clawdlets:sshHostKey",
  "--extra-files": "it is used for the host's secrets; put your files into .clawdlets/extra-files/<host>",
  "--phases": "each phase is run separately, so that the host is checked in between",
  "--env-password": "there is no password: the server is reached with a one-time key",
  "--target-host": "the target is always the server of the stack",
  "--flake": "use clawdlets:flake and clawdlets:flakeHost",
  "-f": "use clawdlets:flake and clawdlets:flakeHost",
};

const installerOption = z.enum(installerOptions, {
  error({ input }) {
    const given = typeof input === "string" ? (input.split(/[ =]/)[0] ?? "") : "";
    const why = Object.hasOwn(refusedOptions, given) ? refusedOptions[given] : undefined;
    const hint = why === undefined ? didYouMean(given, installerOptions) : ` (not ${given}: ${why})`;
    return `allowed: ${installerOptions.join(", ")}${hint}; others could change what an installation trusts`;
  },
});

/** Maximum duration of each phase, and of the window around them, in minutes: 1 to 240. */
const deadlines = z.strictObject(
  {
    /** Booting into the installer, with up to three attempts. @default `15` */
    kexec: minutes.default(15),
    /** Building, partitioning and copying the system. @default `60` */
    install: minutes.default(60),
    /** Until the server shuts down for its first boot. @default `10` */
    reboot: minutes.default(10),
    /** How long TCP/22 may be open in total; after that the installation is stopped and the port closed. @default `60` */
    window: minutes.default(60),
  },
  "allowed: an object with kexec, install, reboot and window, in minutes",
);

/** Used unquoted in a command on the server. */
const diskDevice = matching(
  /^\/dev\/(?:[a-z][a-z0-9]{1,31}|disk\/by-(?:id|path)\/[\w.:+-]{1,120})$/,
  "allowed: a whole disk, e.g. /dev/sda or /dev/disk/by-id/scsi-0QEMU_QEMU_HARDDISK_1",
);

const loginServer = withoutLogin(
  matching(
    new RegExp(`^${plainHttpsUrl}(?:\\/[\\w-]+)*\\/?$`),
    "allowed: an https URL without user, password or query, e.g. https://headscale.example.com",
  ),
);

/** As Tailscale and headscale name them. */
const tailnetTag = matching(/^tag:[A-Za-z][A-Za-z0-9-]{0,62}$/, "allowed: tag: and a name, e.g. tag:bot-host");

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

/** @see stackConfig `tailnet` */
export const tailnets = ["tailscale", "headscale", "none"] as const;
export type TailnetKind = (typeof tailnets)[number];

/** How nixos-anywhere is run. The flake, not these settings, decides which disk is wiped. */
export const installSettings = z.strictObject(
  {
    /**
     * The disk that the flake tells disko to wipe. This only checks that the server has that disk before anything is erased;
     * nixos-anywhere has no such option. Hetzner's servers all have `/dev/sda`. @default `/dev/sda`
     */
    disk: diskDevice.default("/dev/sda"),
    /**
     * Where the system is built. `local` needs a nix here that builds for the server's architecture; `remote` needs enough RAM on the server, since
     * the installer runs from RAM; `auto` uses `local` if possible. @default `auto`
     */
    buildOn: z.enum(["auto", "local", "remote"], 'allowed: "auto", "local" or "remote"').default("auto"),
    /** The installer's tarball, as an https URL or an absolute path on this machine. @default nixos-anywhere's own */
    kexec: kexecTarball.optional(),
    /** Further binary caches for the build; each needs its key in `trustedPublicKeys`. @default `[]` */
    substituters: publicList(substituter, "https URLs").default([]),
    /** Signing keys of binary caches. Anyone who has one of the secret keys decides what is installed. @default `[]` */
    trustedPublicKeys: nixPublicKeys.default([]),
    /** Further options of nixos-anywhere, from {@link installerOptions}. @default `[]` */
    options: publicList(installerOption, "options of nixos-anywhere")
      .refine((options) => new Set(options).size === options.length, "allowed: each option once")
      .default([]),
    deadlines: deadlines.prefault({}),
    /**
     * `full`: kexec, disko and nixos-install on a new server. `snapshot`: the server is made of the snapshot `clawdlets:image`, from
     * `clawdlets image bake`, and only gets its keys and secrets. @default `full`
     */
    mode: z.enum(["full", "snapshot"], 'allowed: "full" or "snapshot"').default("full"),
  },
  "allowed: an object with disk, buildOn, kexec, substituters, trustedPublicKeys, options, deadlines and mode",
);

export type InstallSettings = z.infer<typeof installSettings>;

const secondsAllowed = "allowed: whole seconds, 10 to 3600";

/** As nix/modules/operator.nix accepts it. */
const githubRepository = matching(
  /^github:[A-Za-z0-9_.-]+\/[A-Za-z0-9_.-]+$/,
  "allowed: github:owner/repo, without a branch or commit",
);
const branchName = matching(
  /^(?!.*(?:\.\.|\/\/|\/$))[A-Za-z0-9_][\w./-]*$/,
  'allowed: the name of a branch, e.g. "main"',
);

const daysAllowed = "allowed: a whole number of days, from 1 to 3650";

/** @see stackConfig `rebuild` */
export const rebuildSettings = z
  .strictObject(
    {
      /** Whether the running host can be changed from here. Takes effect at the next installation. @default `true` */
      enabled: flag.default(true),
      /**
       * Where a new system is built: by the `host`, from `repository`; `local`, by nix on this machine; or by a builder,
       * `ssh://[user@]builder[:port]`. The latter two are signed on this machine and copied to the host. A BUILDER DECIDES WHAT THE HOST
       * RUNS. @default `host`
       */
      buildOn: buildPlace.default("host"),
      /** The ssh host key of the builder, Ed25519; required with one. No key is trusted on first use. */
      builderKey: builderKey.optional(),
      /** The public repository that the host fetches and builds; `init` writes the project's own. */
      repository: githubRepository.optional(),
      /** The branch whose commits the host accepts. ANYONE WHO CAN PUSH THERE IS ROOT on the host. @default `main` */
      branch: branchName.default("main"),
      /**
       * What `up` does with a running host. `pinned` switches it to the commit in `clawdlets:flake` and sends it the local secrets;
       * without a commit, it leaves the system alone. `newest` switches it to the newest commit of the flake's branch, or to the
       * repository's own commit. `never` leaves updates to `clawdlets rebuild`. @default `pinned`
       */
      onUp: z.enum(["pinned", "newest", "never"], 'allowed: "pinned", "newest" or "never"').default("pinned"),
      /** Seconds within which a host has to be reached after its switch; otherwise it rolls back. 10 to 3600. @default `120` */
      deadline: z
        .preprocess(
          (value) => (typeof value === "string" && /^[1-9][0-9]{1,3}$/.test(value) ? Number(value) : value),
          z.number(secondsAllowed).int(secondsAllowed).min(10, secondsAllowed).max(3600, secondsAllowed),
        )
        .default(120),
      /** Days since the running system was installed or rebuilt after which `verify` warns. 1 to 3650. @default not checked */
      maxAgeDays: z
        .preprocess(
          (value) => (typeof value === "string" && /^[1-9][0-9]{0,3}$/.test(value) ? Number(value) : value),
          z.number(daysAllowed).int(daysAllowed).min(1, daysAllowed).max(3650, daysAllowed),
        )
        .optional(),
    },
    "allowed: an object with enabled, buildOn, builderKey, repository, branch, onUp, deadline and maxAgeDays",
  )
  .refine(({ buildOn, builderKey: key }) => parseBuilder(buildOn) === undefined || key !== undefined, {
    message: "required with a builder; no key is trusted on first use",
    path: ["builderKey"],
  });

const serverType = matching(/^[a-z][a-z0-9]{1,30}$/, "allowed: a Hetzner server type, e.g. cx43");

const locationAllowed = "allowed: a Hetzner location, e.g. nbg1, fsn1 or hel1, or a list of them, each once";
const locationPattern = /^[a-z]{3}[0-9]{0,2}$/;

/** Checked in one piece, since the issues of a union have no path of their own. */
const location = z.custom<string | string[]>((value) => {
  const all = Array.isArray(value) ? value : [value];
  const isEach = all.every((each) => typeof each === "string" && locationPattern.test(each));
  return isEach && all.length > 0 && new Set(all).size === all.length;
}, locationAllowed);

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
   * All of one architecture. An existing server keeps its type as long as the type is `serverType` or in this list. May COST MORE than `serverType`. @default `[]`
   */
  serverTypes: publicList(serverType, "Hetzner server types")
    .refine((types) => new Set(types).size === types.length, "allowed: each type once")
    .default([]),
  /**
   * One location, or a list: a new server is ordered in one of those that have its type in stock, drawn per host and kept afterwards.
   * @default `nbg1`, as upstream
   */
  location: z
    .preprocess(
      (value) => (typeof value === "string" && value.trimStart().startsWith("[") ? parseList(value) : value),
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
    .preprocess((value) => (typeof value === "string" ? parseList(value) : value), withoutSsh)
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
  bots: nameList("bot names").default([]),
  /** Further secrets that must exist before a server is bought. @default `[]` */
  secrets: nameList("secret names").default([]),
  /** Groups of the host, for `--tag` in commands for many hosts. Has no effect on the server. @default `[]` */
  tags: tagList.default([]),
  /** Increase it to reinstall the host, which WIPES THE DISK. @default `0` */
  reinstall: count.default(0),
  /** Makes the engine and Hetzner refuse to delete or rebuild the server. @default `true` */
  protect: flag.default(true),
  /** How nixos-anywhere is run. Changing it does not reinstall anything. */
  install: z
    .preprocess((value) => (typeof value === "string" ? parseList(value) : value), installSettings)
    .prefault({}),
  /** Where the bots' folders are backed up to, and when. @default no backups */
  backups: z.preprocess((value) => (typeof value === "string" ? parseList(value) : value), backupSettings).optional(),
  /** How a running host is updated. */
  rebuild: z
    .preprocess((value) => (typeof value === "string" ? parseList(value) : value), rebuildSettings)
    .prefault({}),
});

export type StackConfig = z.infer<typeof stackConfig>;

/** A structured value is JSON text if it comes from the engine, and a list if it comes from the file. */
function parseList(value: string): unknown {
  try {
    return JSON.parse(value);
  } catch {
    return value;
  }
}

/**
 * Checks the settings of one stack.
 * @param raw keys without namespace; values as the engine passes them (text, lists as JSON text) or as in the file
 * @param where the file's name, for messages
 */
export function checkStackConfig(
  raw: Readonly<Record<string, unknown>>,
  where: string,
): { value?: StackConfig; problems: Problem[] } {
  const checked = checkSettings(stackConfig, raw, where);
  if (!checked.value) return { problems: checked.problems };
  const { value } = checked;
  const problems = [
    ...withoutServer(value, where),
    ...refusedTags(value, where),
    ...ipv6OnlyProblems(value, where),
    ...architectureProblems(value, where),
    ...snapshotProblems(value, where),
  ];
  return problems.length > 0 ? { problems } : { value, problems };
}

/** Without the id of a snapshot there is nothing to start from. */
function snapshotProblems({ image, install }: StackConfig, where: string): Problem[] {
  if (install.mode === "full" || /^[0-9]+$/.test(image)) return [];
  const problem = `is "snapshot", but clawdlets:image is "${image}", which is not the id of a snapshot.`;
  const fix = "Set clawdlets:image to the id of one. Make it: clawdlets image bake";
  return [{ code: "settings-disagree", subject: where, setting: "clawdlets:install.mode", problem, fix }];
}

/**
 * Checks some of the settings of one stack file, or all of them.
 * @param schema those settings, from {@link stackConfig}
 * @param raw as for {@link checkStackConfig}
 */
export function checkSettings<T extends z.ZodObject>(
  schema: T,
  raw: Readonly<Record<string, unknown>>,
  where: string,
): { value?: z.infer<T>; problems: Problem[] } {
  const parsed = schema.safeParse(raw);
  if (parsed.success) return { value: parsed.data, problems: [] };
  // Messages about JSON text refer to its parts, so parse it here too.
  const parts = Object.fromEntries(
    Object.entries(raw).map(([key, value]) => [
      key,
      typeof value === "string" && /^\s*[[{]/.test(value) ? parseList(value) : value,
    ]),
  );
  const problems = parsed.error.issues.flatMap((issue) =>
    problemsOf(new z.ZodError([issue]), parts, { where, prefix: `${configNamespace}:`, known: knownAt(issue.path) }),
  );
  return { problems };
}

/** Nobody else knows where a headscale of one's own is. */
function withoutServer({ tailnet, tailnetLoginServer }: StackConfig, where: string): Problem[] {
  if (tailnet !== "headscale" || tailnetLoginServer !== undefined) return [];
  return [
    {
      code: "missing-setting",
      subject: where,
      setting: `${configNamespace}:tailnetLoginServer`,
      problem: `missing; ${configNamespace}:tailnet is "headscale", which needs the address of your control server.`,
      fix: "Set it, e.g. https://headscale.example.com.",
    },
  ];
}

/** headscale mints no key with such a tag, which would only turn out once there is a server. */
function refusedTags({ tailnet, tailnetTags }: StackConfig, where: string): Problem[] {
  const refused = tailnet === "headscale" ? tailnetTags.filter((tag) => tag !== tag.toLowerCase()) : [];
  return refused.map((tag) => ({
    code: "invalid-value",
    subject: where,
    setting: `${configNamespace}:tailnetTags.${tailnetTags.indexOf(tag)}`,
    problem: `is "${tag}"; allowed with headscale: lowercase, ${tag.toLowerCase()}.`,
  }));
}

/** The keys of the object at a path, for suggestions. */
function knownAt([first, second]: readonly PropertyKey[]): string[] {
  if (first === "firewallRules") return ["protocol", "port", "sourceIps", "description"];
  if (first === "rebuild") return Object.keys(rebuildSettings.shape);
  if (first !== "install") return Object.keys(stackConfig.shape);
  return Object.keys(second === "deadlines" ? deadlines.shape : installSettings.shape);
}
