import { Command } from "commander";
import { exitCodes } from "../../core/base/exit-codes.ts";
import { type ChannelState, isWorking, readChannels } from "../../core/host/facts/openclaw.ts";
import type { ServerOptions } from "../server/_session.ts";
import { windowOption } from "../shared/behind-window.ts";
import { jsonOption, printJson, resultLines } from "../shared/output.ts";
import { botHostOption, withBot } from "./_session.ts";

/** `clawdlets bot channels NAME`: whether a bot's channels are connected, by its gateway's word. */
export function channelsCommand(): Command {
  return new Command("channels")
    .argument("<name>", "the bot, e.g. maren")
    .option(...botHostOption)
    .option(...windowOption)
    .option(...jsonOption)
    .addHelpText(
      "after",
      "\nExits with 1 if a channel does not run or is not connected.\n\nExamples:\n  clawdlets bot channels maren\n  clawdlets bot channels maren --json\n",
    )
    .action((bot: string, options: ServerOptions) =>
      withBot(bot, options, async ({ host, run }) => {
        const channels = await readChannels({ host, bot, run });
        const say = resultLines(options.json);
        for (const channel of channels) say(channelLine(channel));
        if (channels.length === 0) say(`${bot} has no channels`);
        const ok = channels.every(isWorking);
        if (options.json) printJson({ ok, host, bot, channels });
        if (!ok) process.exitCode = exitCodes.failed;
      }),
    );
}

function channelLine({ channel, account, running, connected, lifecycle, error }: ChannelState): string {
  const state = !running ? "NOT running" : connected === false ? "NOT connected" : connected ? "connected" : "running";
  const parts = [state, lifecycle, error && `last error: ${error}`].filter((part) => part);
  return `${channel}${account === "default" ? "" : ` (${account})`}: ${parts.join(", ")}`;
}
