import { z } from "zod";
import { credentialProblem } from "../../base/credentials.ts";

/** Text that matches a pattern, with one message for everything else. */
export const matching = (pattern: RegExp, allowed: string) => z.string(allowed).regex(pattern, allowed);

/** For addresses that end up on command lines and in files that others can read: refuses credentials. */
export const withoutLogin = <T extends z.ZodString>(address: T): T =>
  address.superRefine((value, context) => {
    const message = credentialProblem(value);
    if (message !== undefined) context.addIssue({ code: "custom", message });
  });

/** Valid as Hetzner server name, nixosConfigurations attribute, stack name and file name: the intersection of their rules. */
export const hostNamePattern = /^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$/;

/** For messages, after `allowed: `. */
export const hostNameAllowed = 'a lowercase letter, then up to 62 of a-z, 0-9 and "-", not ending in "-"';

export const hostName = matching(hostNamePattern, `allowed: ${hostNameAllowed}, e.g. web-1`);

/** Typed on command lines, separated by commas. */
export const tagName = matching(
  /^[a-z0-9][a-z0-9._-]{0,62}$/,
  'allowed: a lowercase letter or digit, then up to 62 of a-z, 0-9, ".", "_" and "-", e.g. eu or prod',
);

/**
 * As nix/lib/names.nix: a user name of Linux has at most 31 characters, and four of them are "bot-". It is part of a secret's name, too:
 * discord_token_NAME.
 */
export const botNamePattern = /^(?!sops$|.*_unencrypted$)[a-z][a-z0-9_-]{0,26}$/;

/** For messages, after `allowed: `. */
export const botNameAllowed =
  'at most 27 characters: a lowercase letter, then a-z, 0-9, "_" and "-"; not "sops", and not ending in "_unencrypted"';

export const botName = matching(botNamePattern, `allowed: ${botNameAllowed}`);

/**
 * Secret names become file names on the host and keys in YAML. sops keeps its metadata under the key `sops`, and does not
 * encrypt keys that end in `_unencrypted`.
 */
export const secretName = matching(
  /^(?!sops$|.*_unencrypted$)[a-z][a-z0-9_-]{0,62}$/,
  'allowed: a lowercase letter, then up to 62 of a-z, 0-9, "_" and "-"; not "sops", and not ending in "_unencrypted"',
);

export const sshPublicKey = matching(
  /^(ssh-ed25519|ecdsa-sha2-nistp(256|384|521)|sk-ssh-ed25519@openssh\.com|sk-ecdsa-sha2-nistp256@openssh\.com|ssh-rsa) [A-Za-z0-9+/]+=*( \P{Cc}*)?$/u,
  'allowed: one OpenSSH public key line, e.g. "ssh-ed25519 AAAA… you@laptop"',
);

export const ageRecipient = matching(
  /^age1[02-9ac-hj-np-z]{58}$/,
  "allowed: an age X25519 recipient, age1 and 58 characters",
);
