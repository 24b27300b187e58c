import { z } from "zod";
import type { Problem } from "../errors.ts";
import { ageRecipient, hostNamePattern, matching, secretName, sshPublicKey } from "./names.ts";
import { problemsOf } from "./problems.ts";

/** The namespace of our settings in a stack file: the project's name. */
export const configNamespace = "clawdlets";

/** Hetzner has had it since 2023; only another one is looked up before a server is bought. */
export const defaultImage = "debian-12";

const publicList = <T extends z.ZodType>(item: T, what: string) =>
  z.preprocess(
    (value) => (typeof value === "string" ? parseList(value) : value),
    z.array(item, `allowed: a list of ${what}`),
  );

/** A name that stands twice would be made, delivered and counted twice. */
const nameList = (what: string) =>
  publicList(secretName, what).refine((names) => new Set(names).size === names.length, "allowed: each name once");

const countAllowed = "allowed: 0, 1, 2, …";

/**
 * The engine gives a number as text. Taken is only what was typed as one: Number() would make a 1 of `true`, and that
 * would wipe a disk.
 */
const count = z.preprocess(
  (value) => (typeof value === "string" && /^(0|[1-9][0-9]{0,8})$/.test(value) ? Number(value) : value),
  z.number(countAllowed).int(countAllowed).min(0, countAllowed),
);

const flag = z.preprocess(
  (value) => (value === "true" ? true : value === "false" ? false : value),
  z.boolean("allowed: true or false"),
);

/**
 * What `stacks/Pulumi.<host>.yaml` says of one host. Committed and public: keys and recipients are public halves, and no
 * address or id of a living machine stands here (those are in `.clawdlets/stack.json` and the state).
 */
export const stackConfig = z.strictObject({
  /**
   * Hetzner server type, x86 only.
   * @see Hetzner Cloud API, Server Types, `name`
   */
  serverType: matching(/^[a-z][a-z0-9]{1,30}$/, "allowed: a Hetzner server type, e.g. cx43").refine(
    (type) => !type.startsWith("cax"),
    "CAX types are ARM, and the host's flake builds x86_64-linux; allowed: a CX, CPX or CCX type, e.g. cx43",
  ),
  /** @default `nbg1`, as upstream */
  location: matching(/^[a-z]{3}[0-9]{0,2}$/, "allowed: a Hetzner location, e.g. nbg1, fsn1 or hel1").default("nbg1"),
  /** What the server boots before NixOS replaces it. Changed after creation it changes nothing. @default `debian-12` */
  image: matching(/^[a-z][a-z0-9.-]{1,62}$/, "allowed: a Hetzner system image by name, e.g. debian-12").default(
    defaultImage,
  ),
  /** Flake URI without attribute. @default `base.flake` of stack.json, then the repository's own origin */
  flake: matching(/^(?!-)\P{Cc}+$/u, "allowed: a flake URI, e.g. github:you/hosts").optional(),
  /** The nixosConfigurations attribute. @default the stack's name */
  flakeHost: matching(hostNamePattern, "allowed: a nixosConfigurations attribute such as web-1").optional(),
  /** Who may reach TCP/22 at rest: nobody (`tailnet`), or the admin CIDRs of stack.json (`public`). @default `tailnet` */
  sshExposure: z.enum(["tailnet", "public"], 'allowed: "tailnet" or "public"').default("tailnet"),
  /** The host's way in once the port is closed. With `none` only the console is left. @default `tailscale` */
  tailnet: z.enum(["tailscale", "none"], 'allowed: "tailscale" or "none"').default("tailscale"),
  /** The host's age recipient. */
  ageRecipient,
  /** The public key the installed host will answer with. */
  sshHostKey: sshPublicKey,
  /** Who may log in as `admin`. */
  adminSshKeys: publicList(sshPublicKey, "OpenSSH public keys").refine(
    (keys) => keys.length > 0,
    "allowed: at least one key",
  ),
  /** @default `[]` */
  bots: nameList("bot names").default([]),
  /** Further secrets that must be there before a server is bought. @default `[]` */
  secrets: nameList("secret names").default([]),
  /** Counts up to ask for a reinstallation, which WIPES THE DISK. @default `0` */
  reinstall: count.default(0),
  /** Whether the engine and Hetzner refuse to delete or rebuild the server. @default `true` */
  protect: flag.default(true),
});

export type StackConfig = z.infer<typeof stackConfig>;

/** A structured value arrives as JSON text from the engine and as a list from the file. */
function parseList(value: string): unknown {
  try {
    return JSON.parse(value);
  } catch {
    return value;
  }
}

/**
 * Checks the settings of one stack.
 * @param raw keys without namespace, values as the engine gives them (text, lists as JSON text) or as the file has them
 * @param where the file's name, for the messages
 */
export function checkStackConfig(
  raw: Readonly<Record<string, unknown>>,
  where: string,
): { value?: StackConfig; problems: Problem[] } {
  const parsed = stackConfig.safeParse(raw);
  return parsed.success
    ? { value: parsed.data, problems: [] }
    : {
        problems: problemsOf(parsed.error, raw, {
          where,
          prefix: `${configNamespace}:`,
          known: Object.keys(stackConfig.shape),
        }),
      };
}
