import { createInterface } from "node:readline/promises";
import { password, text } from "@clack/prompts";
import { type Objection, problemSentence } from "../../core/base/problem.ts";
import { Stopped } from "../../core/base/stopped.ts";
import { type RequiredSecret, valueProblem } from "../../core/project/secrets/plan.ts";
import { hashPassword, minPasswordLength } from "../../core/tasks/secrets/password.ts";
import { noteStop } from "../../engine/signals.ts";
import { whatStays } from "./ending.ts";

/** Whether there is a terminal to ask on. Prompts go to standard error, so that standard output stays for results. */
export function canAsk(): boolean {
  return process.stdin.isTTY === true && process.stderr.isTTY === true;
}

const output = process.stderr;

/** Says what stays: a command may have written files before it asks. */
function stoppedAtQuestion(): Stopped {
  noteStop("SIGINT");
  return new Stopped("SIGINT", `Stopped at a question. ${whatStays()}`);
}

/**
 * Asks with a prompt of the library, which hides the cursor and shows it again only once it is answered.
 * @throws Stopped when the person pressed Ctrl-C or Esc, which the library answers with a symbol
 */
async function answered<T>(prompt: () => Promise<T>): Promise<Exclude<T, symbol>> {
  const showCursor = () => void output.write("\u001b[?25h");
  process.once("exit", showCursor);
  try {
    const answer = await prompt();
    if (typeof answer === "symbol") throw stoppedAtQuestion();
    return answer as Exclude<T, symbol>;
  } finally {
    process.off("exit", showCursor);
  }
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
  return answered(() =>
    text({
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
  const value = await answered(() =>
    password({
      message,
      output,
      validate: (typed) => sentenceOf((isHash ? passwordProblem : valueProblem)(secret, typed ?? "")),
    }),
  );
  if (!isHash || valueProblem(secret, value) === undefined) return value;
  await answered(() =>
    password({
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
  const value = await answered(() => password({ message, output, validate: problemOf }));
  if (twice) {
    const isOther = (typed: string | undefined) => (typed === value ? undefined : "does not match the first one");
    await answered(() => password({ message: "Repeat the passphrase", output, validate: isOther }));
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
