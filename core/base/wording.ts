import { withCredentialsHidden } from "./credentials.ts";
import { isPublicKey } from "./public-key.ts";

/**
 * Anything that may be a token or a private key, and the two public things that look like one: OpenSSH public keys and
 * age recipients. Every part is bounded or never backtracks, so that 64 KiB of any text stay fast (ReDoS).
 */
const tokenLike = new RegExp(
  [
    String.raw`(?<type>(?:ssh|ecdsa|sk)-[\w@.-]{1,50}) (?<blob>[A-Za-z0-9+/]+={0,2})`,
    String.raw`-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY[\s\S]*`,
    String.raw`PuTTY-User-Key-File[\s\S]*`,
    String.raw`AGE-(?:SECRET-KEY|PLUGIN)-[A-Z0-9-]+`,
    String.raw`[th]skey-[\w-]{8,}|(?:gh[oprsu]|github_pat)_\w{8,}`,
    // Discord: three parts of base64url.
    String.raw`[\w-]{23,28}\.[\w-]{6,7}\.[\w-]{27,}`,
    // Hetzner tokens have 64 letters and digits, and a mistyped one still reveals most of the real one.
    String.raw`[A-Za-z0-9]{40,}`,
  ].join("|"),
  "g",
);

function withoutTokens(text: string): string {
  return withCredentialsHidden(text).replace(tokenLike, (match, type: string | undefined, blob: string | undefined) => {
    // "ssh-ed25519 AAAA…" is how our own messages show what is allowed; every blob begins with it.
    if (type !== undefined && blob !== undefined)
      return blob === "AAAA" || isPublicKey(type, blob) ? match : `${type} ${hidden(blob)}`;
    return /^age1[02-9ac-hj-np-z]{58}$/.test(match) ? match : hidden(match);
  });
}

const hidden = (text: string) => `(${text.length} characters, not shown)`;

/** Escapes control and bidirectional characters as JSON does: they could move the cursor, or hide or reorder text. */
function visible(text: string): string {
  return text.replace(
    /[\p{Cc}\p{Cf}\p{Cs}\u2028\u2029]/gu,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/**
 * Makes untrusted text safe for a terminal (escape sequence injection): keeps line breaks and tabs, removes colours, and replaces
 * everything that could move the cursor, change the title, or hide or reorder text with U+FFFD.
 */
export function printable(text: string): string {
  return (
    text
      // biome-ignore lint/suspicious/noControlCharactersInRegex: finding them is the point
      .replace(/\u001b\[[0-9;]*m/g, "")
      .replace(/[\p{Cc}\p{Cf}\p{Cs}\u2028\u2029]/gu, (found) => (found === "\n" || found === "\t" ? found : "\uFFFD"))
  );
}

/** JSON that is safe to print on a terminal: JSON.stringify only escapes C0 controls, so this escapes the others too. */
export function jsonLine(value: unknown): string {
  return JSON.stringify(value).replace(/[\u007f-\u009f\p{Cf}\u2028\u2029]/gu, (found) =>
    found
      .split("")
      .map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`)
      .join(""),
  );
}

const cut = (text: string, maxLength: number) => (text.length > maxLength ? `${text.slice(0, maxLength)}…` : text);

/** Makes text from a file or a variable fit for a message: hides tokens, escapes control characters, limits the length. */
export function safeText(text: string, maxLength = 2000): string {
  return cut(visible(withoutTokens(text)), maxLength);
}

/** A value as it would be typed in JSON. Lists and objects are only named: they may be large, or too deeply nested. */
export function quoted(value: unknown): string {
  if (typeof value === "string") return visible(JSON.stringify(cut(withoutTokens(value), 120)));
  if (Array.isArray(value)) return value.length === 0 ? "an empty list" : "a list";
  return typeof value === "object" && value !== null ? "an object" : String(value);
}

/** Quotes text for a POSIX shell, in single quotes. */
export function shellQuoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

/** A line about a host begins with its name: without it, for a place that shows the name already, such as a table's row. */
export const withoutHost = (host: string, text: string): string =>
  text.startsWith(`${host}: `) ? text.slice(host.length + 2) : text;

/** A number with its noun, e.g. `1 host`, `2 hosts`. @param noun one whose plural has an s */
export const counted = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? "" : "s"}`;
