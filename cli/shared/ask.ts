import { relative } from "node:path";
import { createInterface } from "node:readline/promises";
import { password, text } from "@clack/prompts";
import { filesWritten } from "../../core/base/machine/private-files.ts";
import { type Objection, problemSentence } from "../../core/base/problem.ts";
import { Stopped } from "../../core/base/stopped.ts";
import { type RequiredSecret, valueProblem } from "../../core/project/secrets/plan.ts";
import { hashPassword, minPasswordLength } from "../../core/tasks/secrets/password.ts";
import { noteStop } from "../../engine/signals.ts";

/** Whether there is a terminal to ask on. Prompts go to standard error, so that standard output stays for results. */
export function canAsk(): boolean {
  return process.stdin.isTTY === true && process.stderr.isTTY === true;
}

const output = process.stderr;

/** @throws Stopped when the person pressed Ctrl-C or Esc, which the library answers with a symbol */
function answered<T>(answer: T): Exclude<T, symbol> {
  if (typeof answer === "symbol") throw stoppedAtQuestion();
  return answer as Exclude<T, symbol>;
}

/** Says what stays: a command may have written files before it asks. */
function stoppedAtQuestion(): Stopped {
  noteStop("SIGINT");
  const files = filesWritten().map((path) => relative(process.cwd(), path));
  const stays = `${files.length === 1 ? "1 file was" : `${files.length} files were`} written before, and ${files.length === 1 ? "stays" : "stay"}: ${files.join(", ")}. Run the same command again to continue.`;
  return new Stopped("SIGINT", `Stopped at a question. ${files.length === 0 ? "Nothing was written." : stays}`);
}

/** One line on a plain prompt, trimmed. @throws Stopped at Ctrl-C, and when the input ends */
export async function askLine(question: string): Promise<string> {
  const prompt = createInterface({ input: process.stdin, output });
  const stopped = new Promise<never>((_, reject) => {
    for (const event of ["SIGINT", "close"] as const) prompt.once(event, () => reject(stoppedAtQuestion()));
  });
  try {
    return (await Promise.race([prompt.question(question), stopped])).trim();
  } finally {
    prompt.removeAllListeners("close");
    prompt.close();
  }
}

/** One line, shown as it is typed. @param problemOf what is wrong with it, as the end of a sentence */
export async function askText(
  message: string,
  { initial, problemOf }: { initial?: string; problemOf?: (value: string) => Objection | string | undefined } = {},
): Promise<string> {
  return answered(
    await text({
      message,
      output,
      ...(initial !== undefined && { initialValue: initial }),
      validate: (value) => sentenceOf(problemOf?.(value ?? "")),
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
      validate: (typed) => sentenceOf((isHash ? passwordProblem : valueProblem)(secret, typed ?? "")),
    }),
  );
  if (!isHash || valueProblem(secret, value) === undefined) return value;
  answered(
    await password({
      message: "Repeat the password",
      output,
      validate: (typed) => (typed === value ? undefined : "does not match the first one"),
    }),
  );
  return hashPassword(value);
}

/** Asks for a passphrase, hidden. @param twice a new one is typed again: nobody could tell a typing error later */
export async function askPassphrase(
  message: string,
  { twice, minLength }: { twice: boolean; minLength: number },
): Promise<string> {
  const problemOf = (typed = "") =>
    twice && typed.length < minLength ? `has ${typed.length} characters; allowed: at least ${minLength}` : undefined;
  const value = answered(await password({ message, output, validate: problemOf }));
  if (twice) {
    const isOther = (typed: string | undefined) => (typed === value ? undefined : "does not match the first one");
    answered(await password({ message: "Repeat the passphrase", output, validate: isOther }));
  }
  return value;
}

/** A password, or a hash of one; a malformed hash would otherwise be hashed again. */
function passwordProblem(secret: RequiredSecret, typed: string): Objection | string | undefined {
  if (/^\$\w+\$/.test(typed)) return valueProblem(secret, typed);
  return typed.length < minPasswordLength
    ? `has ${typed.length} characters; allowed: at least ${minPasswordLength}`
    : undefined;
}

/** What a prompt shows below the field. */
function sentenceOf(objection: Objection | string | undefined): string | undefined {
  return typeof objection === "object" ? problemSentence(objection) : objection;
}
