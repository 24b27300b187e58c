import { Command } from "commander";
import { findLayout } from "../../core/project/layout.ts";
import { type BotEgress, domainsOf, explainEgress } from "../../core/tasks/egress/explain.ts";
import { chooseHost } from "../shared/choose.ts";
import { jsonOption, print, type ResultLine, resultLines } from "../shared/output.ts";

/** `clawdlets egress explain`: the domains that bots need, with their reasons. */
export function explainCommand(): Command {
  return new Command("explain")
    .option("--host <name>", "only the bots of this host; the default is all bots")
    .option(...jsonOption)
    .addHelpText(
      "after",
      "\nReads bots/*/openclaw.json, not the host. clawdlets.egress.proxy.derived = true allows these domains, besides\nclawdlets.egress.proxy.allowedDomains.\n\nExamples:\n  clawdlets egress explain\n  clawdlets egress explain --host web-1 --json | jq '.domains'\n",
    )
    .action((options: { host?: string; json?: boolean }) => {
      const layout = findLayout(process.cwd());
      const host = options.host === undefined ? undefined : chooseHost(layout, options.host);
      const bots = explainEgress(layout, host);
      const say = resultLines(options.json);
      for (const bot of bots) sayNeeds(bot, say);
      if (bots.length === 0) say(host === undefined ? "no bots yet" : `${host} has no bots`);
      print(options.json, { ok: true, ...(host !== undefined && { host }), domains: domainsOf(bots), bots });
    });
}

function sayNeeds({ bot, hasFolder, needed, unknown }: BotEgress, say: ResultLine): void {
  if (!hasFolder) say(`${bot}: its program is set in Nix; list its domains in clawdlets.egress.proxy.allowedDomains`);
  const width = Math.max(0, ...needed.map(({ domain }) => domain.length));
  for (const { domain, why, kind, name, option } of needed) {
    const reason = kind === "address" ? `is ${option}` : `${kind} ${name}: ${why} (${option})`;
    say(`${bot}: ${domain.padEnd(width)}  ${reason}`);
  }
  for (const { kind, name, option } of unknown) say(`${bot}: ${unknownText(kind, name, option)}`);
}

function unknownText(kind: string, name: string, option: string): string {
  if (kind === "model") return `${option} is not set, so OpenClaw chooses a model. Set it, e.g. "anthropic/…".`;
  const what = kind === "address" ? option : `the ${kind} ${name} (${option})`;
  const why =
    kind === "address" ? "is not an https:// URL with a domain name and port 443" : "needs domains that are not known";
  return `${what} ${why}. If it needs any, list them in clawdlets.egress.proxy.allowedDomains.`;
}
