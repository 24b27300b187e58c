import { randomBytes } from "node:crypto";
import { encrypt } from "unixcrypt";

/** SHA-512 crypt rounds: about half a second per login, and per guess, on a server's core. libxcrypt's default of 5000 is from 2007. */
const rounds = 500_000;

/** Minimum password length: it is only used for sudo and the console, but both give root access. */
export const minPasswordLength = 12;

/**
 * A SHA-512 crypt(3) hash of a typed password: `$6$rounds=…$<16 characters of salt>$…`. Not yescrypt, because no program that
 * creates it is on every operator's machine, and no library for it is well maintained; both hashes are accepted.
 */
export function hashPassword(password: string): string {
  // 12 bytes are 16 characters of base64, the maximum salt in crypt(5), whose alphabet has "." instead of "+".
  const salt = randomBytes(12).toString("base64").replaceAll("+", ".");
  return encrypt(password, `$6$rounds=${rounds}$${salt}`);
}
