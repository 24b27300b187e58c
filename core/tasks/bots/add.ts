import { existsSync } from "node:fs";
import { join } from "node:path";
import { SettingsError } from "../../base/errors.ts";
import { writePublicFile } from "../../base/machine/private-files.ts";
import { didYouMean } from "../../base/nearest.ts";
import type { Problem } from "../../base/problem.ts";
import { botFileOf, botFolderOf } from "../../project/bots/bot-folder.ts";
import type { Layout } from "../../project/layout.ts";
import { botNameAllowed, botNamePattern } from "../../project/settings/names.ts";
import { addToStackFile, listStackFiles } from "../../project/settings/stack-file.ts";
import { botSettingsOf } from "./hosts-of.ts";
import { type Channel, modelPattern, newAgents, newConfig } from "./new-config.ts";

export interface AddRequest {
  layout: Layout;
  bot: string;
  channel: Channel;
  /** `provider/model` */
  model: string;
  /** The host whose stack file is to name it. Left out: only the folder is made. */
  host?: string | undefined;
  dryRun: boolean;
}

/**
 * Makes a bot's folder and, for a host, its name in the stack file.
 * @returns what was made or changed, relative to the project
 * @throws SettingsError with everything that is in the way, before anything is written
 */
export async function addBot(request: AddRequest): Promise<{ make: string[]; change: string[] }> {
  const { layout, bot, channel, model, host, dryRun } = request;
  const problems = problemsOf(request);
  if (problems.length > 0) throw new SettingsError(problems);
  const bots = host === undefined ? [] : botSettingsOf(layout, host).bots;
  const isNew = host !== undefined && !bots.includes(bot);
  const document = `${botFolderOf(bot)}/workspace/AGENTS.md`;
  const texts = new Map([
    [botFileOf(bot), newConfig(channel, model)],
    [document, newAgents(bot)],
  ]);
  const make = [...texts.keys()].filter((file) => !existsSync(join(layout.root, file)));
  const change = isNew ? [`stacks/Pulumi.${host}.yaml`] : [];
  if (dryRun) return { make, change };
  for (const file of make) await writePublicFile(join(layout.root, file), texts.get(file) ?? "");
  if (isNew) await addToStackFile(layout, host, { bots: [...bots, bot] }, ["bots"]);
  return { make, change };
}

function problemsOf({ layout, bot, model, host }: AddRequest): Problem[] {
  const subject = "the command line";
  const problems: Problem[] = [];
  if (!botNamePattern.test(bot)) {
    const problem = `"${bot}" is not a bot name; allowed: ${botNameAllowed}.`;
    return [{ code: "invalid-value", subject, setting: "name", problem }];
  }
  if (!modelPattern.test(model)) {
    const problem = `"${model}" is not a model; allowed: provider/model, e.g. anthropic/claude-sonnet-4-6.`;
    problems.push({ code: "invalid-value", subject, setting: "--model", problem });
  }
  const hosts = listStackFiles(layout);
  if (host !== undefined && !hosts.includes(host)) {
    const problem = `there is no host "${host}"${didYouMean(host, hosts)}.`;
    problems.push({
      code: "no-such-host",
      subject,
      setting: "--host",
      problem,
      fix: `Create it: clawdlets init --host ${host}`,
    });
  }
  if (existsSync(join(layout.root, botFileOf(bot)))) {
    const fix = `Edit it, or remove the bot first: clawdlets bot remove ${bot}`;
    problems.push({ code: "file-in-the-way", subject: botFileOf(bot), problem: "already exists.", fix });
  }
  return problems;
}
