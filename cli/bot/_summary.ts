import { counted } from "../../core/base/wording.ts";
import type { BotSummary } from "../../core/tasks/bots/show.ts";

/** One line about a bot. */
export function summaryLine({ bot, folder, hosts, channels, model, critical, warnings }: BotSummary): string {
  const on = hosts.length === 0 ? "on no host" : `on ${hosts.join(", ")}`;
  if (folder === undefined) return `${bot}: ${on}, without a folder: its program is set in Nix`;
  const talks = channels.length === 0 ? "no channel" : channels.join(", ");
  const counts = `${critical} critical, ${counted(warnings, "warning")}`;
  const found = critical + warnings === 0 ? "nothing found" : counts;
  return `${bot}: ${on}, ${talks}, ${model ?? "OpenClaw's default model"}; lint: ${found}`;
}
