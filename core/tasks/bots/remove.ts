import { lstatSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { SettingsError } from "../../base/errors.ts";
import { botFolderOf } from "../../project/bots/bot-folder.ts";
import type { Layout } from "../../project/layout.ts";
import { hostsOf } from "./hosts-of.ts";
import { requireBotFolder } from "./show.ts";

/**
 * Deletes a bot's folder, if no host has the bot any more. Its secrets are kept.
 * @param yes whether to delete it; otherwise everything is only checked
 * @returns the folder, relative to the project
 * @throws SettingsError when a stack file names the bot, or there is no such folder
 */
export async function removeBot(layout: Layout, bot: string, yes: boolean): Promise<string> {
  requireBotFolder(layout, bot);
  const hosts = hostsOf(layout, bot);
  if (hosts.length > 0) {
    throw new SettingsError(
      hosts.map((host) => ({
        code: "settings-disagree",
        subject: `stacks/Pulumi.${host}.yaml`,
        setting: "clawdlets:bots",
        problem: `still names ${bot}.`,
        fix: "Remove it from the list first.",
      })),
    );
  }
  const folder = join(layout.root, botFolderOf(bot));
  // Of a link, only the link.
  if (yes) await rm(folder, { recursive: !lstatSync(folder).isSymbolicLink() });
  return botFolderOf(bot);
}
