import { Command } from "commander";
import { exitCodes } from "../../core/base/exit-codes.ts";
import { problemLine } from "../../core/base/problem.ts";
import { fingerprintOf } from "../../core/host/reach/host-key.ts";
import { listOperators } from "../../core/tasks/operators/list.ts";
import { jsonOption, print, resultLines } from "../shared/output.ts";
import { operatorsRequest } from "./_request.ts";

/** `clawdlets operator list`: who can read which host's secrets, and log in there. */
export function listCommand(): Command {
  return new Command("list")
    .option(...jsonOption)
    .addHelpText(
      "after",
      "\nBy the files here: a host that was not rebuilt since still lets in the keys it had. Exit code 1 if a host lacks an operator.\n\nExamples:\n  clawdlets operator list\n",
    )
    .action(async ({ json }: { json?: boolean }) => {
      const { operators, unnamed, problems } = await listOperators(await operatorsRequest());
      const say = resultLines(json);
      const names = (hosts: readonly string[]) => (hosts.length === 0 ? "none" : hosts.join(", "));
      for (const { name, recipient, sshKeys, isYou, reads, logsIn } of operators) {
        say(`${name}${isYou ? " (you)" : ""}: ${recipient}`);
        say(`  reads the secrets of ${names(reads)}; may log in to ${names(logsIn)}`);
        for (const key of sshKeys) say(`  ssh key ${fingerprintOf(key)}`);
      }
      if (operators.length === 0) say("no operators are recorded yet. To become one: clawdlets operator join");
      for (const { host, recipients, sshKeys } of unnamed) {
        for (const recipient of recipients) say(`${host}: ${recipient}, of no operator, can read its secrets`);
        for (const key of sshKeys) say(`${host}: ${fingerprintOf(key)}, of no operator, may log in`);
      }
      for (const problem of problems) say(`WRONG ${problemLine(problem)}`);
      const ok = problems.length === 0;
      print(json, { ok, operators, unnamed, problems });
      if (!ok) process.exitCode = exitCodes.failed;
    });
}
