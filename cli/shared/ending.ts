import { relative } from "node:path";
import { CommanderError } from "commander";
import { messageOf, SettingsError, type UserError } from "../../core/base/errors.ts";
import { exitCodes } from "../../core/base/exit-codes.ts";
import { type Problem, problemJson, problemLine } from "../../core/base/problem.ts";
import { Stopped, written } from "../../core/base/stopped.ts";
import { asUserError } from "../../core/base/system-errors.ts";
import { counted } from "../../core/base/wording.ts";
import { wasStopped } from "../../engine/signals.ts";
import { hasPrintedJson, printJson, tell } from "./output.ts";

/** One reason of a refusal, for `--json`; `details` are lines of the engine or another program. */
interface RefusalProblem extends Problem {
  details?: readonly string[];
}

interface Refusal {
  exitCode: number;
  /** For a person, on standard error; empty where it was shown already. */
  text: string;
  problems: readonly RefusalProblem[];
}

/**
 * Says why a command failed: a person's error without a stack, a bug's with one, and with `--json` as the one JSON object
 * `{ok: false, exitCode, problems}` on standard output. @returns the exit code
 */
export async function report(error: unknown): Promise<number> {
  if (error instanceof CommanderError && error.exitCode === 0) return endOf(exitCodes.ok);
  const { exitCode, text, problems } = refusalOf(error);
  const code = endOf(exitCode);
  const lost = exitCode === exitCodes.settings ? await lostHere() : undefined;
  if (text !== "") tell(text);
  if (lost) tell(`clawdlets: ${problemLine(lost)}`);
  if (isJsonAsked() && !hasPrintedJson()) {
    printJson({ ok: false, exitCode: code, problems: lost ? [...problems, lost] : problems });
  }
  return code;
}

let elsewhere: string | undefined;

/** What a stop from now on leaves at Hetzner or on a host, as a sentence. Files written here are known without being told. */
export function leavesWhenStopped(sentence: string | undefined): void {
  elsewhere = sentence;
}

const most = 10;

/** What the command has changed so far, and how to continue, as sentences: it may have written files before it was stopped. */
export function whatStays(): string {
  const files = [...written].sort().map((path) => relative(process.cwd(), path));
  const { length } = files;
  if (length === 0) return elsewhere ?? "Nothing was written.";
  const named = [...files.slice(0, most), ...(length > most ? [`and ${length - most} more`] : [])].join(", ");
  const here = `${counted(length, "file")} ${length === 1 ? "was" : "were"} written before, and ${length === 1 ? "stays" : "stay"}: ${named}.`;
  return `${elsewhere === undefined ? "" : `${elsewhere} `}${here} Run the same command again to continue.`;
}

/** Whether there is anything to say about it: files here, or something elsewhere. */
const hasChanged = (): boolean => written.size > 0 || elsewhere !== undefined;

/** Says at once that a signal ends the command, and what stays. @returns the exit code */
export function reportStop(stop: Stopped): number {
  const message = `${stop.message}. ${whatStays()}`;
  tell(`clawdlets: ${message}`);
  if (isJsonAsked() && !hasPrintedJson()) {
    const problem: Problem = { code: "stopped", subject: "", problem: message };
    printJson({ ok: false, exitCode: stop.exitCode, problems: [problem] });
  }
  return stop.exitCode;
}

/** Settings, keys and tokens that are missing may be in the copy: if they are, this is how to restore them. */
async function lostHere(): Promise<RefusalProblem | undefined> {
  try {
    // Only now: help and version read no project.
    const [{ lostFiles, lostObjection }, { findLayout }, { ownFolderProblem }] = await Promise.all([
      import("../../core/project/copies/keep.ts"),
      import("../../core/project/layout.ts"),
      import("../../core/project/own-folder.ts"),
    ]);
    const layout = findLayout(process.cwd());
    if (ownFolderProblem(layout)?.isForeign) return undefined; // Which says itself what to do first.
    const lost = lostFiles(layout);
    if (lost.length === 0) return undefined;
    const where = relative(layout.root, layout.dir);
    return { subject: where, setting: "files", ...lostObjection(lost) };
  } catch {
    return undefined; // Outside of a project, for example, which the refusal has said.
  }
}

/**
 * The exit code at the end of a command. After a signal it is the shell's code for that signal, whatever the stop led to, unless a port
 * is open.
 */
export function endOf(exitCode: string | number | undefined | null): number {
  const code = Number(exitCode ?? exitCodes.ok);
  const stopped = wasStopped();
  return stopped && code !== exitCodes.open ? stopped.exitCode : code;
}

function refusalOf(error: unknown): Refusal {
  if (error instanceof CommanderError) {
    // Commander has shown it already, with its suggestion.
    return { exitCode: exitCodes.usage, text: "", problems: [usage(error)] };
  }
  const known = asUserError(error);
  if (known) return afterStop({ exitCode: known.exitCode, text: known.message, problems: problemsOf(known) });
  if (error instanceof Error && error.name === "AbortError") {
    const said = error instanceof Stopped ? error.message : (wasStopped()?.message ?? error.message);
    // Of a prompt it is a whole sentence already.
    const message = said.endsWith(".") || !hasChanged() ? said : `${said}. ${whatStays()}`;
    const problem: Problem = { code: "stopped", subject: "", problem: message };
    return { exitCode: exitCodes.failed, text: `clawdlets: ${message}`, problems: [problem] };
  }
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return {
    exitCode: exitCodes.failed,
    text: `clawdlets: a bug, please report it: ${text}`,
    problems: [{ code: "bug", subject: "", problem: `a bug, please report it: ${messageOf(error)}` }],
  };
}

/** Codes of failures that say nothing about a host's state: after a stop they are what it has cut off, such as a sops without a reason. */
const cutOff: readonly number[] = [
  exitCodes.failed,
  exitCodes.settings,
  exitCodes.engine,
  exitCodes.api,
  exitCodes.unknown,
];

/** Says first that a signal was the reason, and what stays. */
function afterStop({ exitCode, text, problems }: Refusal): Refusal {
  const stop = wasStopped();
  if (!stop || !cutOff.includes(exitCode)) return { exitCode, text: `clawdlets: ${text}`, problems };
  const message = hasChanged() ? `${stop.message}. ${whatStays()}` : `${stop.message}.`;
  const problem: Problem = { code: "stopped", subject: "", problem: message };
  return { exitCode, text: `clawdlets: ${message}\n  It cut off: ${text}`, problems: [problem, ...problems] };
}

/** Commander's message begins with "error: ". */
const usage = ({ message }: CommanderError): Problem => {
  return { code: "usage", subject: "", problem: message.replace(/^error: /, "") };
};

function problemsOf(error: UserError): RefusalProblem[] {
  if (error instanceof SettingsError) return error.problems.map(problemJson);
  const details = [...error.details, ...error.reasons];
  return error.problems.map((problem) => ({ ...problemJson(problem), ...(details.length > 0 && { details }) }));
}

/** What follows `--` belongs to another program. */
function isJsonAsked(): boolean {
  const end = process.argv.indexOf("--");
  return (end < 0 ? process.argv : process.argv.slice(0, end)).slice(2).includes("--json");
}
