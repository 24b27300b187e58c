import { partKeys } from "../../engine/find-engine.ts";
import { processesOf } from "../_processes.ts";

/**
 * The variables that name parts of the engine to run in place of ours (toolchain/README.md), as far as they are set. A lab that starts
 * programs in an environment of its own hands these on, or it would test our parts whatever was asked for.
 */
export function namedParts(): Record<string, string> {
  return Object.fromEntries(
    Object.keys(partKeys).flatMap((name) => {
      const value = process.env[name];
      return value === undefined ? [] : [[name, value]];
    }),
  );
}

/**
 * Ends the language hosts that work in a folder, where the environment names one. Pulumi's engine leaves its host running when the
 * stack's passphrase is wrong, and Pulumi's own host notices only within five minutes (ours within a second).
 */
export function endNamedLanguageHosts(folder: string): void {
  if ((process.env["CLAWDLETS_LANGUAGE_HOST"] ?? "") === "") return;
  const hosts = processesOf(folder).filter(({ line }) => line.includes(partKeys.CLAWDLETS_LANGUAGE_HOST));
  for (const { pid } of hosts) process.kill(pid, "SIGKILL");
}
