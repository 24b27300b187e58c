import { Command } from "commander";
import { removeOperator } from "../../core/tasks/operators/remove.ts";
import { jsonOption, print, resultLines } from "../shared/output.ts";
import { nextForHosts, showHosts } from "./_next.ts";
import { operatorsRequest } from "./_request.ts";

interface Options {
  yes?: boolean;
  dryRun?: boolean;
  json?: boolean;
}

/** `clawdlets operator remove`: locks a person out, and says what they may still know. */
export function removeCommand(): Command {
  return new Command("remove")
    .argument("<name>", "the operator, as operator list shows them")
    .option("--yes", "also if that is you, or the only operator")
    .option("--dry-run", "show what would change and what they could know, and change nothing")
    .option(...jsonOption)
    .addHelpText(
      "after",
      "\nWhat they have read or copied before, they still know: it lists that by host, with the command that replaces it.\n\nExamples:\n  clawdlets operator remove bea --dry-run\n  clawdlets operator remove bea\n",
    )
    .action(async (name: string, { yes = false, dryRun = false, json }: Options) => {
      const request = await operatorsRequest();
      const removed = await removeOperator({ ...request, name, evenSo: yes, dryRun });
      const say = resultLines(json);
      showHosts(say, removed.hosts, dryRun);
      if (!dryRun) say(`${name}: removed`);
      const next = [
        `remove ${name}'s devices from the tailnet: from then on no host answers them`,
        `delete ${name}'s API token at Hetzner; if you shared one, make a new one and put it into .clawdlets/.env`,
        ...(await nextForHosts(request.layout, removed.hosts, `Lock ${name} out`)),
      ];
      for (const each of next) say(`next: ${each}`);
      if (removed.couldKnow.length > 0) say(`${name} could still know, and only replacing it helps:`);
      for (const { host, what, fix } of removed.couldKnow) say(`  ${host}: ${what}: ${fix}`);
      print(json, { ok: true, dryRun, ...removed, next });
    });
}
