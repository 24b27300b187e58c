import { randomBytes } from "node:crypto";
import { encrypt } from "unixcrypt";

/** About half a second on a server's core, for the host as for who guesses. libxcrypt's own default is 5000, from 2007. */
const rounds = 500_000;

/** Shortest password that is hashed: sudo and the console are all that it opens, but both are root. */
export const minPasswordLength = 12;

/**
 * A SHA-512 crypt(3) hash of a typed password: `$6$rounds=…$<16 characters of salt>$…`. SHA-512 rather than yescrypt, since
 * no program that makes yescrypt is on every operator's machine and no library for it is well kept; both are taken.
 */
export function hashPassword(password: string): string {
  // Twelve bytes are sixteen characters, which crypt(5) has as the longest salt; its alphabet has "." where base64 has "+".
  const salt = randomBytes(12).toString("base64").replaceAll("+", ".");
  return encrypt(password, `$6$rounds=${rounds}$${salt}`);
}
