import type { BotFolder } from "../bots/bot-folder.ts";
import { type BotFinding, onOption, optionAt } from "./finding.ts";

/** What the unit's flags say, so that the file does not say something else to a person or to another command of OpenClaw's. */
const expected: readonly [string[], unknown, string][] = [
  [["bind"], "loopback", "the gateway would listen on other addresses"],
  [["auth", "mode"], "token", "the gateway would answer without the token"],
  [["tailscale", "mode"], "off", "the gateway would be reachable from the tailnet or the internet"],
];

/** Options of the control page that let a browser in without the token, or from any origin. */
const openPage = ["allowInsecureAuth", "dangerouslyDisableDeviceAuth", "dangerouslyAllowHostHeaderOriginFallback"];

const tokenReference = "${OPENCLAW_GATEWAY_TOKEN}";

export function lintGateway(bot: BotFolder): BotFinding[] {
  const at = (...path: string[]) => optionAt(bot.config, "gateway", ...path);
  const critical = (path: readonly string[], problem: string, fix: string) =>
    onOption(bot, ["gateway", ...path], { severity: "critical", problem, fix });
  const findings = expected.flatMap(([path, allowed, effect]) => {
    const value = at(...path);
    if (value === undefined || value === allowed) return [];
    return [critical(path, `is ${JSON.stringify(value)}: ${effect}.`, `Set ${JSON.stringify(allowed)}, or remove it.`)];
  });
  if (at("mode") !== "local")
    findings.push(critical(["mode"], 'is not "local", so the gateway does not start.', 'Set "local".'));
  if (!isOurToken(at("auth", "token"))) {
    const problem = "is a different token than the one that init creates, and overrides it.";
    findings.push(critical(["auth", "token"], problem, `Write "${tokenReference}", or remove it.`));
  }
  for (const option of openPage.filter((each) => at("controlUi", each) === true)) {
    const problem = "opens the control page to browsers that have not been paired.";
    findings.push(critical(["controlUi", option], problem, "Remove it."));
  }
  const origins = at("controlUi", "allowedOrigins");
  if (Array.isArray(origins) && origins.includes("*")) {
    const problem = 'is "*": any web page can use the control page of a browser that has the token.';
    findings.push(critical(["controlUi", "allowedOrigins"], problem, "List the origins, or remove it."));
  }
  if (optionAt(bot.config, "hooks", "token") === tokenReference) {
    const problem = "is the gateway's token, so anyone who sends hooks could do everything.";
    findings.push(
      onOption(bot, ["hooks", "token"], { severity: "critical", problem, fix: "Use a separate secret for it." }),
    );
  }
  if (at("port") !== undefined) {
    const problem = "has no effect: the port is a flag of the bot's unit.";
    const fix = `Remove it. To choose the port: clawdlets.bots.${bot.name}.port, in Nix.`;
    findings.push(onOption(bot, ["gateway", "port"], { severity: "warning", problem, fix }));
  }
  return findings;
}

/** Left out, the environment's is used. As a reference in either of OpenClaw's two forms it is the same one. */
function isOurToken(value: unknown): boolean {
  if (value === undefined || value === tokenReference) return true;
  return optionAt(value, "source") === "env" && optionAt(value, "id") === "OPENCLAW_GATEWAY_TOKEN";
}
