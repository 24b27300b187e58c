import { CommanderError } from "commander";
import { UserError } from "../core/base/errors.ts";
import { exitCodes } from "../core/base/exit-codes.ts";
import { programFor } from "./program.ts";

try {
  await (await programFor(process.argv[2] ?? "")).parseAsync();
} catch (error) {
  process.exitCode = show(error);
}

/** A person's error without a stack, a bug's with one. @returns the exit code */
function show(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.ok : exitCodes.usage;
  if (error instanceof UserError) {
    process.stderr.write(`clawdlets: ${error.message}\n`);
    return error.exitCode;
  }
  if (error instanceof Error && error.name === "AbortError") {
    process.stderr.write(`clawdlets: ${error.message}\n`);
    return 125;
  }
  process.stderr.write(`clawdlets: a bug, please report it: ${error instanceof Error ? error.stack : String(error)}\n`);
  return exitCodes.failed;
}
