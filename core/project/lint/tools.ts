import type { BotFolder } from "../bots/bot-folder.ts";
import { entriesOf } from "../bots/config.ts";
import { type BotFinding, onOption, optionAt } from "./finding.ts";

/** What the bot may do, once someone talks to it. */
export function lintTools(bot: BotFolder): BotFinding[] {
  const warning = (path: readonly string[], problem: string, fix?: string) =>
    onOption(bot, path, { severity: "warning", problem, ...(fix !== undefined && { fix }) });
  const findings: BotFinding[] = [];
  if (!hasNoCommands(bot)) {
    for (const path of unsandboxed(bot)) {
      const problem = "is off, so commands that the model runs can do everything that the bot's unit can.";
      findings.push(warning(path, problem, 'Set tools.profile to "messaging" or "minimal", or set up a sandbox.'));
    }
  }
  const skills = optionAt(bot.config, "agents", "defaults", "skills") ?? optionAt(bot.config, "skills", "allowBundled");
  if (!Array.isArray(skills) || skills.includes("*")) {
    const problem = "is not a list of names, so the bot uses every skill that it finds.";
    findings.push(warning(["agents", "defaults", "skills"], problem, "List the skills that it needs, or []."));
  }
  const plugins = optionAt(bot.config, "plugins", "allow");
  const isOff = optionAt(bot.config, "plugins", "enabled") === false;
  if (!isOff && (!Array.isArray(plugins) || plugins.includes("*"))) {
    const problem = "is not a list of names, so every plugin that is found is loaded.";
    findings.push(warning(["plugins", "allow"], problem, "List the plugins that it needs, its channel's too."));
  }
  for (const { path, value } of entriesOf(bot.config)) {
    // The control page's are critical: core/project/lint/gateway.ts.
    if (value !== true || path.includes("controlUi")) continue;
    if (/^dangerously|^allowUnsafe/.test(path.at(-1) ?? "")) {
      findings.push(warning(path, "turns off a check that OpenClaw makes.", "Remove it."));
    }
  }
  return findings;
}

/** Profiles and denials that leave no tool which runs a command. */
function hasNoCommands({ config }: BotFolder): boolean {
  const denied = optionAt(config, "tools", "deny");
  const isDenied = Array.isArray(denied) && ["exec", "group:runtime"].some((each) => denied.includes(each));
  const added = [optionAt(config, "tools", "allow"), optionAt(config, "tools", "alsoAllow")].flat();
  const isAdded = added.some((each) => ["exec", "group:runtime", "*"].includes(String(each)));
  const profile = optionAt(config, "tools", "profile");
  return isDenied || ((profile === "messaging" || profile === "minimal") && !isAdded);
}

/** Options that leave an agent without sandbox; OpenClaw's default is off. */
function unsandboxed({ config }: BotFolder): string[][] {
  const off = (path: string[]) => optionAt(config, ...path) === "off";
  const defaults = ["agents", "defaults", "sandbox", "mode"];
  const entries = optionAt(config, "agents", "entries");
  const own = typeof entries === "object" && entries !== null ? Object.keys(entries) : [];
  const found = own.map((agent) => ["agents", "entries", agent, "sandbox", "mode"]).filter(off);
  return optionAt(config, ...defaults) === undefined || off(defaults) ? [defaults, ...found] : found;
}
