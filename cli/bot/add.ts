import { Command, Option } from "commander";
import { findLayout } from "../../core/project/layout.ts";
import { addBot } from "../../core/tasks/bots/add.ts";
import { type Channel, channels } from "../../core/tasks/bots/new-config.ts";
import { jsonOption, print, resultLines } from "../shared/output.ts";

interface Options {
  channel: Channel;
  model: string;
  host?: string;
  dryRun?: boolean;
  json?: boolean;
}

/** `clawdlets bot add NAME`: a folder with a first configuration, and the name in a stack file. */
export function addCommand(): Command {
  return new Command("add")
    .argument("<name>", "the bot, e.g. maren")
    .addOption(new Option("--channel <name>", "where people talk to it").choices(channels).makeOptionMandatory())
    .requiredOption("--model <provider/model>", "the model it uses, e.g. anthropic/claude-sonnet-4-6")
    .option("--host <name>", "also add it to this host's stack file")
    .option("--dry-run", "show what would be created, and change nothing")
    .option(...jsonOption)
    .addHelpText(
      "after",
      "\nExamples:\n  clawdlets bot add maren --channel discord --model anthropic/claude-sonnet-4-6 --host web-1\n  clawdlets bot add rex --channel none --model openai/gpt-5.4-mini --dry-run\n",
    )
    .action(async (bot: string, options: Options) => {
      const { channel, model, host } = options;
      const dryRun = options.dryRun === true;
      const files = await addBot({ layout: findLayout(process.cwd()), bot, channel, model, host, dryRun });
      const say = resultLines(options.json);
      for (const path of files.make) say(dryRun ? `would make ${path}` : `made ${path}`);
      for (const path of files.change) say(dryRun ? `would change ${path}` : `changed ${path}`);
      const next =
        host === undefined
          ? `list ${bot} under clawdlets:bots in a stack file`
          : `clawdlets secrets init --host ${host}`;
      if (!dryRun) say(`next: ${next}`);
      print(options.json, { ok: true, bot, dryRun, ...files, next });
    });
}
