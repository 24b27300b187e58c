import { exitCodes } from "../../core/base/exit-codes.ts";
import { asUserError, atPath } from "../../core/base/system-errors.ts";
import { jsonLine, printable } from "../../core/base/wording.ts";
import { tellAbove } from "../screen/active.ts";

/** Standard output is for results, standard error for progress. With `--json` a result is one object, and stands there alone. */
let hasPrinted = false;

/** Prints the one JSON object of a command that was asked for it. @throws Error when there was one already, which is a bug */
export function printJson(value: object): void {
  if (hasPrinted) throw new Error("a second JSON object on standard output");
  hasPrinted = true;
  process.stdout.write(`${jsonLine(value)}\n`);
}

/** The same for who asked for it, with {@link jsonOption}. */
export function print(asked: boolean | undefined, value: object): void {
  if (asked) printJson(value);
}

export const jsonOption = ["--json", "print one JSON object"] as const;

/** Whether a JSON object was printed. */
export const hasPrintedJson = (): boolean => hasPrinted;

/** Progress, warnings and everything else that is not the result. */
export const tell = (text: string): void => {
  if (!tellAbove(text)) process.stderr.write(`${printable(text)}\n`);
};

/** @param head our own words before the text, which may be coloured */
export type ResultLine = (text: string, head?: string) => void;

/** Writes lines of a result for a person: to standard output, or to standard error where a JSON object has that for itself. */
export function resultLines(json: boolean | undefined): ResultLine {
  return (text, head = "") => void (json ? process.stderr : process.stdout).write(`${head}${printable(text)}\n`);
}

let lost: string | undefined;

/**
 * A reader who has had enough (`clawdlets status | head -1`, a closed pager) ends nothing: the command goes on, unheard, to its
 * end and its exit code. A result that could not be written at all, as on a full disk, is a failure.
 * @param onUnheard called when nobody reads standard error any more
 */
export function survivePipes(onUnheard: () => void): void {
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") lost ??= asUserError(atPath(error, "standard output"))?.message ?? error.message;
  });
  process.stderr.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "EPIPE") onUnheard();
  });
  // Only now is the last write over.
  process.once("exit", () => {
    if (lost === undefined) return;
    tell(`clawdlets: the result is lost. ${lost}`);
    if (Number(process.exitCode ?? exitCodes.ok) === exitCodes.ok) process.exitCode = exitCodes.failed;
  });
}
