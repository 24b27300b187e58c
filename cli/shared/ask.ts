import { password, text } from "@clack/prompts";
import { UserError } from "../../core/base/errors.ts";
import { type RequiredSecret, valueProblem } from "../../core/project/secrets/plan.ts";
import { hashPassword, minPasswordLength } from "../../core/tasks/secrets/password.ts";

/** Whether there is somebody to ask. Prompts go to standard error, so that standard output stays for results. */
export function canAsk(): boolean {
  return process.stdin.isTTY === true && process.stderr.isTTY === true;
}

const output = process.stderr;

/** @throws UserError when the person pressed Ctrl-C or Esc, which the library answers with a symbol */
function answered<T>(answer: T): Exclude<T, symbol> {
  if (typeof answer === "symbol") throw new UserError("Stopped at a question; nothing was written.");
  return answer as Exclude<T, symbol>;
}

/** One line, shown as it is typed. @param problemOf what is wrong with it, as the end of a sentence */
export async function askText(
  message: string,
  { initial, problemOf }: { initial?: string; problemOf?: (value: string) => string | undefined } = {},
): Promise<string> {
  return answered(
    await text({
      message,
      output,
      ...(initial !== undefined && { initialValue: initial }),
      validate: (value) => problemOf?.(value ?? ""),
    }),
  );
}

/**
 * Asks for one secret, hidden. A password is asked for twice and handed back as its hash; a hash that is pasted stays one.
 * @returns the value to encrypt
 */
export async function askSecret(secret: RequiredSecret): Promise<string> {
  const isHash = secret.kind === "password-hash";
  const message = isHash
    ? `Admin password, for sudo and the console (or its crypt hash)`
    : `${secret.name}: ${secret.purpose}`;
  const value = answered(
    await password({
      message,
      output,
      validate: (typed) => (isHash ? passwordProblem : valueProblem)(...([secret, typed ?? ""] as const)),
    }),
  );
  if (!isHash || valueProblem(secret, value) === undefined) return value;
  answered(
    await password({
      message: "The same password again",
      output,
      validate: (typed) => (typed === value ? undefined : "is not the same as the first"),
    }),
  );
  return hashPassword(value);
}

/** A password, or a hash of one; something that begins like a hash and is none would be hashed once more. */
function passwordProblem(secret: RequiredSecret, typed: string): string | undefined {
  if (/^\$\w+\$/.test(typed)) return valueProblem(secret, typed);
  return typed.length < minPasswordLength
    ? `has ${typed.length} characters; allowed: at least ${minPasswordLength}`
    : undefined;
}
