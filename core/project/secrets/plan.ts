import { z } from "zod";
import { didYouMean } from "../../base/nearest.ts";
import type { Objection } from "../../base/problem.ts";
import { parseRepository } from "../settings/backups.ts";
import type { StackConfig } from "../settings/stack-config/stack-config.ts";
import data from "./plan.json" with { type: "json" };

const kind = z.enum(["password-hash", "tailscale-auth-key", "token", "text", "generated", "login", "ssh-key"]);

/** One secret a host needs before it can be installed. */
export interface RequiredSecret {
  /** File name without `.yaml`, and the key inside the file. */
  name: string;
  kind: z.infer<typeof kind>;
  /** Purpose, shown in prompts and errors. */
  purpose: string;
  /** Example of its format, and where to get it. */
  example: string;
}

const backupNeeds = ["with backups", "with backups to s3", "with backups to rest", "with backups to sftp"] as const;

const plan = z
  .array(
    z.object({
      name: z.string(),
      kind,
      needed: z.enum(["always", "with tailnet tailscale", ...backupNeeds, "for each bot without a folder"]),
      purpose: z.string(),
      example: z.string(),
    }),
  )
  .parse(data.secrets);

/** The settings that decide which secrets a host needs, for reading these of a stack file and no others. */
export const planKeys = { tailnet: true, bots: true, secrets: true, backups: true } as const;
export type PlanSettings = Pick<StackConfig, keyof typeof planKeys>;

/** Secrets that are variables of bots with a folder, by bot. @see botVariables */
export type BotSecrets = ReadonlyMap<string, readonly RequiredSecret[]>;

/** Every secret a host needs, in the order in which nix/lib/plan.nix lists them. */
export function plannedSecrets(settings: PlanSettings, ofBots: BotSecrets): RequiredSecret[] {
  const inUse = [
    ...(settings.tailnet === "none" ? [] : ["with tailnet tailscale"]),
    ...(settings.backups
      ? ["with backups", `with backups to ${parseRepository(settings.backups.repository)?.kind}`]
      : []),
  ];
  const planned = plan.flatMap(({ needed, ...secret }) => {
    if (needed === "for each bot without a folder") {
      return settings.bots.filter((bot) => !ofBots.has(bot)).map((bot) => forBot(secret, bot));
    }
    const isNeeded = needed === "always" || inUse.includes(needed);
    return isNeeded ? [secret] : [];
  });
  const variables = settings.bots.flatMap((bot) => ofBots.get(bot) ?? []);
  const named = settings.secrets.map((name): RequiredSecret => {
    return { name, kind: "text", purpose: "named under clawdlets:secrets in the stack file", example: "any text" };
  });
  // A secret that variables share, or that the stack file names as well, once.
  const all = [...planned, ...variables, ...named];
  return all.filter(({ name }, index) => all.findIndex((secret) => secret.name === name) === index);
}

function forBot(secret: RequiredSecret, bot: string): RequiredSecret {
  return {
    ...secret,
    name: secret.name.replace("{bot}", () => bot),
    purpose: secret.purpose.replace("{bot}", () => bot),
  };
}

/** The secret with the key that a host joins its tailnet with. */
export const authKeySecret = "tailscale_auth_key";

/**
 * The value of {@link authKeySecret} where clawdlets mints a key for each installation: in the local file, and on the host once it has
 * joined. The key itself exists only on its way to the host.
 */
export const mintedMark = "minted-for-each-installation";

/** True for a placeholder of upstream's `secrets init`, such as `<FILL_ME>`. */
export function isPlaceholder(value: string): boolean {
  return /^<[A-Z_]+>$/.test(value.trim());
}

/** Anything larger is a file rather than a secret. */
const maxBytes = 64 * 1024;

const kinds: Record<RequiredSecret["kind"], { shape: RegExp; allowed: string; fix?: string }> = {
  // crypt(5): only yescrypt and SHA-512, since weaker hashes of the one sudo password are quickly cracked.
  "password-hash": {
    shape:
      /^(\$y\$[./A-Za-z0-9]+\$[./A-Za-z0-9]{1,86}\$[./A-Za-z0-9]{43}|\$6\$(rounds=[0-9]+\$)?[^$:\n]{1,16}\$[./A-Za-z0-9]{86})$/,
    allowed: "a crypt(3) hash, yescrypt ($y$…) or SHA-512 ($6$…)",
    fix: "Make one: mkpasswd -m yescrypt, or type the password at the prompt",
  },
  "tailscale-auth-key": {
    shape: new RegExp(`^((tskey-(auth|client)|hskey-auth)-\\S+|${mintedMark})$`),
    allowed: "a Tailscale auth key, tskey-auth-…, or a headscale one, hskey-auth-…",
    fix: "Make one in the admin console, Settings, Keys.",
  },
  // As init makes it; OpenClaw warns of tokens below 24 characters.
  generated: { shape: /^[\w-]{24,}$/, allowed: 'at least 24 letters, digits, "_" and "-"' },
  // Goes into a URL as it is.
  login: {
    shape: /^[A-Za-z0-9._~-]+:[A-Za-z0-9._~-]{12,}$/,
    allowed: 'a user, ":" and a password of 12 or more letters, digits and "._~-"',
  },
  "ssh-key": {
    shape: /^-----BEGIN OPENSSH PRIVATE KEY-----\n[A-Za-z0-9+/=\n]+\n-----END OPENSSH PRIVATE KEY-----\n?$/,
    allowed: "a private key without passphrase, as ssh-keygen writes it",
    fix: "Make one: ssh-keygen -t ed25519 -N '' -f backup-key",
  },
  token: { shape: /^\S+$/, allowed: "one word without spaces or line breaks" },
  text: { shape: /./s, allowed: "any non-empty text" },
};

/**
 * Says what is wrong with a secret's value, as the end of a sentence; undefined if nothing is. Never quotes the value.
 * @param value plaintext
 */
export function valueProblem(secret: Pick<RequiredSecret, "kind">, value: string): Objection | undefined {
  const { shape, allowed, fix } = kinds[secret.kind];
  const wrong = (problem: string): Objection => {
    return { code: "secret-invalid", problem: `${problem}; allowed: ${allowed}.`, ...(fix !== undefined && { fix }) };
  };
  if (value === "") return wrong("is empty");
  if (isPlaceholder(value)) return wrong(`is still the placeholder ${value.trim()}`);
  const bytes = Buffer.byteLength(value);
  if (bytes > maxBytes) return { code: "secret-invalid", problem: `has ${bytes} bytes; allowed: up to ${maxBytes}.` };
  // A lone surrogate has no UTF-8 encoding: it would be read back as a different character.
  if (!value.isWellFormed()) {
    return { code: "secret-invalid", problem: "is not valid Unicode text.", fix: "Encode it first, e.g. with base64." };
  }
  return shape.test(value) ? undefined : wrong("is malformed");
}

/** The objection to a name that is not one of the required secrets. */
export function unknownSecret(name: string, required: readonly RequiredSecret[]): Objection {
  const names = required.map((secret) => secret.name);
  return {
    code: "unknown-setting",
    problem: `is not a secret of this host${didYouMean(name, names)}; it needs ${names.join(", ")}.`,
    fix: "To add one, list it under clawdlets:secrets (or its bot under clawdlets:bots) in the stack file.",
  };
}
