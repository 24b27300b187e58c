import { resolve } from "node:path";
import { Command } from "commander";
import { expandHome } from "../../core/project/settings/host.ts";
import { addOperator } from "../../core/tasks/operators/add.ts";
import { jsonOption, print, resultLines } from "../shared/output.ts";
import { nextForHosts, showHosts } from "./_next.ts";
import { operatorsRequest } from "./_request.ts";

interface Options {
  age: string;
  sshKey: string[];
  dryRun?: boolean;
  json?: boolean;
}

/** `clawdlets operator add`: another person with keys of their own. */
export function addCommand(): Command {
  return new Command("add")
    .argument("<name>", "how to call them, e.g. bea")
    .requiredOption("--age <recipient>", "their age recipient, age1…, as operator join printed it")
    .requiredOption("--ssh-key <keys...>", "their OpenSSH public keys: a .pub file, or the line itself")
    .option("--dry-run", "show what would change, and change nothing")
    .option(...jsonOption)
    .addHelpText(
      "after",
      "\nThey can then read every host's secrets, and log in to each host once it is rebuilt. It says what is left to do.\n\nExamples:\n  clawdlets operator add bea --age age1… --ssh-key bea.pub\n  clawdlets operator add bea --age age1… --ssh-key 'ssh-ed25519 AAAA… bea@laptop' --dry-run\n",
    )
    .action(async (name: string, { age, sshKey, dryRun = false, json }: Options) => {
      const request = await operatorsRequest();
      const isLine = (key: string) => /^(?:ssh|ecdsa|sk)-\S+\s|PRIVATE KEY|\n/.test(key);
      const sshKeys = sshKey.map((key) => (isLine(key) ? key : resolve(expandHome(key, process.env))));
      const added = await addOperator({ ...request, name, recipient: age.trim(), sshKeys, dryRun });
      const say = resultLines(json);
      showHosts(say, added.hosts, dryRun);
      for (const host of added.later) say(`${host}: has no keys yet; secrets init makes them for ${name} too`);
      if (!added.changed) say(`${name}: nothing to change`);
      else if (!dryRun) say(`${name}: added`);
      const rest = await nextForHosts(request.layout, added.hosts, `Let ${name} in`);
      const next = added.changed ? [`clawdlets operator handover ${name} ${name}.handover`, ...rest] : [];
      for (const each of next) say(`next: ${each}`);
      print(json, { ok: true, dryRun, ...added, next });
    });
}
