import { Command, InvalidArgumentError } from "commander";
import { UserError } from "../../core/base/errors.ts";
import { exitCodes } from "../../core/base/exit-codes.ts";
import {
  approvePairing,
  channelPattern,
  type PairingRequest,
  pairingCodePattern,
  readPairing,
} from "../../core/host/facts/openclaw.ts";
import { findLayout } from "../../core/project/layout.ts";
import { listBots } from "../../core/tasks/bots/show.ts";
import type { ServerOptions } from "../server/_session.ts";
import { windowOption } from "../shared/behind-window.ts";
import { jsonOption, print, resultLines } from "../shared/output.ts";
import { botHostOption, withBot } from "./_session.ts";

interface Options extends ServerOptions {
  channel?: string;
}

/** `clawdlets bot pair NAME [CODE]`: who wants to talk to a bot, and letting one of them in. */
export function pairCommand(): Command {
  return new Command("pair")
    .argument("<name>", "the bot, e.g. maren")
    .argument("[code]", "approve the request with this code, e.g. ABCD2345; without it, list them", pairingCode)
    .option(
      "--channel <name>",
      "only this channel, e.g. telegram; the default is each one in openclaw.json",
      channelName,
    )
    .option(...botHostOption)
    .option(...windowOption)
    .option(...jsonOption)
    .addHelpText(
      "after",
      "\nWho has a code can talk to the bot once you approve it. Compare the sender with whom you expect: anyone can ask.\n\nExamples:\n  clawdlets bot pair maren\n  clawdlets bot pair maren ABCD2345\n",
    )
    .action((bot: string, code: string | undefined, options: Options) =>
      withBot(bot, options, async ({ host, run }) => {
        const asked = { host, bot, run };
        const requests: PairingRequest[] = [];
        for (const channel of channelsOf(bot, options.channel)) requests.push(...(await readPairing(asked, channel)));
        const say = resultLines(options.json);
        if (code === undefined) {
          for (const request of requests) say(requestLine(request));
          if (requests.length === 0) say(`${bot}: no pending requests`);
          print(options.json, { ok: true, host, bot, requests });
          return;
        }
        const request = requests.find((each) => each.code === code);
        if (!request) {
          const fix = `Codes last an hour. See those that wait: clawdlets bot pair ${bot} --host ${host}`;
          throw new UserError({ subject: host, problem: `${bot}: no request has the code ${code}.`, fix });
        }
        const { hasNoOwner } = await approvePairing(asked, request);
        const { channel, sender } = request;
        say(`${bot}: ${channel} sender ${sender} may talk to it now`);
        if (hasNoOwner) {
          say(
            `The bot has no owner. To make this sender its owner, who may run its owner's commands, add to bots/${bot}/openclaw.json:`,
          );
          say(`  commands: { ownerAllowFrom: [${JSON.stringify(`${channel}:${sender}`)}] },`);
        }
        print(options.json, { ok: true, host, bot, approved: request, hasNoOwner });
      }),
    );
}

/** @throws UserError (usage) for a bot without channels */
function channelsOf(bot: string, chosen: string | undefined): string[] {
  if (chosen !== undefined) return [chosen];
  const found = listBots(findLayout(process.cwd())).find((each) => each.bot === bot)?.channels ?? [];
  const channels = found.filter((each) => channelPattern.test(each));
  if (channels.length > 0) return channels;
  const problem = `${bot} has no channel in bots/${bot}/openclaw.json.`;
  throw new UserError({ subject: "--channel", problem, fix: "Name one." }, { exitCode: exitCodes.usage });
}

const requestLine = ({ channel, code, sender, name, since }: PairingRequest) =>
  `${code}  ${channel} sender ${sender}${name === undefined ? "" : ` (${name})`}${since === undefined ? "" : `, since ${since}`}`;

function pairingCode(text: string): string {
  const code = text.toUpperCase();
  if (pairingCodePattern.test(code)) return code;
  throw new InvalidArgumentError("8 capital letters and digits, without 0, O, 1 and I");
}

function channelName(text: string): string {
  if (channelPattern.test(text)) return text;
  throw new InvalidArgumentError("a channel's name as in openclaw.json, e.g. telegram");
}
