import { resolve } from "node:path";
import { Command } from "commander";
import { findLayout } from "../../core/project/layout.ts";
import { expandHome } from "../../core/project/settings/host.ts";
import { beginJoining, finishJoining } from "../../core/tasks/operators/join.ts";
import { jsonOption, print, resultLines } from "../shared/output.ts";

interface Options {
  adminCidr?: string;
  sshPubkey?: string;
  yes?: boolean;
  dryRun?: boolean;
  json?: boolean;
}

/** `clawdlets operator join`: the other side of `operator add` and `operator handover`. */
export function joinCommand(): Command {
  return new Command("join")
    .argument("[file]", "a colleague's handover; without one: make your own identity, and show its public half")
    .option("--admin-cidr <cidr>", "your own network, for stack.json")
    .option("--ssh-pubkey <file>", "your own ssh public key, for stack.json")
    .option("--yes", "also replace files that were changed here after the handover was made")
    .option("--dry-run", "show what the handover would change, and change nothing")
    .option(...jsonOption)
    .addHelpText(
      "after",
      "\nAgain for each later handover: what all operators share is replaced, what is yours stays.\n\nExamples:\n  clawdlets operator join\n  clawdlets operator join bea.handover --admin-cidr 198.51.100.7/32 --ssh-pubkey ~/.ssh/id_ed25519.pub\n",
    )
    .action(async (file: string | undefined, options: Options) => {
      const layout = findLayout(process.cwd());
      const say = resultLines(options.json);
      if (file === undefined) {
        const begun = await beginJoining(layout, process.env);
        say(`${begun.created ? "made your identity" : "your identity is here already"}: ${begun.recipient}`);
        const key = options.sshPubkey ?? "YOUR.pub";
        const next = `clawdlets operator add ${begun.name} --age ${begun.recipient} --ssh-key ${key}`;
        say(`next: send this and your ssh public key to a colleague, who runs: ${next}`);
        print(options.json, { ok: true, ...begun, next });
        return;
      }
      const path = resolve(expandHome(file, process.env));
      const own = { adminCidr: options.adminCidr, sshPubkeyFile: options.sshPubkey };
      const { yes = false, dryRun = false } = options;
      const request = { layout, environment: process.env, file: path, own, overwrite: yes, dryRun };
      const joined = await finishJoining(request);
      for (const changed of joined.changed) say(`${dryRun ? "would change" : "changed"} ${changed}`);
      say(
        `handover of ${joined.at}: ${joined.changed.length === 0 ? "nothing to change" : `${joined.hosts.join(", ")}`}`,
      );
      if (!dryRun) say("next: put your own HCLOUD_TOKEN into .clawdlets/.env, then: clawdlets doctor");
      print(options.json, { ok: true, dryRun, ...joined });
    });
}
