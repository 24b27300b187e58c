import { withCredentialsHidden } from "./credentials.ts";
import { isPublicKey } from "./public-key.ts";

/**
 * What may be a token or a private key, and beside it the two public things that look like one: an OpenSSH public key
 * and an age recipient. Every part is bounded or consumes what it reads, so that 64 KiB of anything stay quick.
 */
const tokenLike = new RegExp(
  [
    String.raw`(?<type>(?:ssh|ecdsa|sk)-[\w@.-]{1,50}) (?<blob>[A-Za-z0-9+/]+={0,2})`,
    String.raw`-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY[\s\S]*`,
    String.raw`PuTTY-User-Key-File[\s\S]*`,
    String.raw`AGE-(?:SECRET-KEY|PLUGIN)-[A-Z0-9-]+`,
    String.raw`tskey-[\w-]{8,}|(?:gh[oprsu]|github_pat)_\w{8,}`,
    // Discord: three parts of base64url.
    String.raw`[\w-]{23,28}\.[\w-]{6,7}\.[\w-]{27,}`,
    // Hetzner's have 64 letters and digits, and a mistyped one is still most of a token.
    String.raw`[A-Za-z0-9]{40,}`,
  ].join("|"),
  "g",
);

function withoutTokens(text: string): string {
  return withCredentialsHidden(text).replace(tokenLike, (match, type: string | undefined, blob: string | undefined) => {
    if (type !== undefined && blob !== undefined) return isPublicKey(type, blob) ? match : `${type} ${hidden(blob)}`;
    return /^age1[02-9ac-hj-np-z]{58}$/.test(match) ? match : hidden(match);
  });
}

const hidden = (text: string) => `(${text.length} characters, not shown)`;

/** What would move the cursor, hide or turn round text, as JSON escapes it. */
function visible(text: string): string {
  return text.replace(
    /[\p{Cc}\p{Cf}\p{Cs}\u2028\u2029]/gu,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/**
 * Text of a tool, a host or an API for a person's terminal: lines and tabs stay, colours go, and whatever could move the cursor,
 * change the title, hide or turn round what is read gets a mark in its place.
 */
export function printable(text: string): string {
  return (
    text
      // biome-ignore lint/suspicious/noControlCharactersInRegex: finding them is the point
      .replace(/\u001b\[[0-9;]*m/g, "")
      .replace(/[\p{Cc}\p{Cf}\p{Cs}\u2028\u2029]/gu, (found) => (found === "\n" || found === "\t" ? found : "\uFFFD"))
  );
}

/** JSON for a terminal as well as for a program: JSON itself escapes C0 alone, and means the same with more escaped. */
export function jsonLine(value: unknown): string {
  return JSON.stringify(value).replace(/[\u007f-\u009f\p{Cf}\u2028\u2029]/gu, (found) =>
    found
      .split("")
      .map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`)
      .join(""),
  );
}

const cut = (text: string, maxLength: number) => (text.length > maxLength ? `${text.slice(0, maxLength)}…` : text);

/** Text from a file or a variable, fit for a message: no token, no control character, not endless. */
export function shown(text: string, maxLength = 2000): string {
  return cut(visible(withoutTokens(text)), maxLength);
}

/** A value as it would be typed in JSON. What has parts is only named: it may be large, or deeper than the stack. */
export function quoted(value: unknown): string {
  if (typeof value === "string") return visible(JSON.stringify(cut(withoutTokens(value), 120)));
  if (Array.isArray(value)) return "a list";
  return typeof value === "object" && value !== null ? "an object" : String(value);
}

/** In single quotes, where a POSIX shell takes every character as it is. */
export function shellQuoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
