import { Command } from "commander";
import { readDenied } from "../../core/host/facts/denied.ts";
import { type ServerOptions, withSession } from "../server/_session.ts";
import { windowOption } from "../shared/behind-window.ts";
import { hostOption } from "../shared/choose.ts";
import { jsonOption, printJson, resultLines } from "../shared/output.ts";
import { since } from "../shared/seconds.ts";

/** `clawdlets egress denied`: what bots were refused, from the journals of their proxies. */
export function deniedCommand(): Command {
  return new Command("denied")
    .option(...hostOption)
    .option("--since <time>", "start this long ago, e.g. 30m, 2h, 1d", since, "1h")
    .option(...windowOption)
    .option(...jsonOption)
    .addHelpText(
      "after",
      "\nOnly in proxy-allowlist. Connections around the proxy are refused by the kernel, and are in the host's journal.\n\nExamples:\n  clawdlets egress denied --since 1h\n  clawdlets egress denied --host web-1 --json | jq '.allow'\n",
    )
    .action((options: ServerOptions & { since: string }) =>
      withSession(options, async ({ host, run, settings }) => {
        const denied = await readDenied(host, run, settings.bots, options.since);
        const allow = [...new Set(denied.flatMap(({ domain }) => domain ?? []))].sort();
        const say = resultLines(options.json);
        for (const { bot, target, count, last, domain } of denied) {
          const why = domain === undefined ? "  cannot be allowed: not a domain at port 443" : "";
          say(`${bot}: ${String(count).padStart(5)}  ${domain ?? target}  last at ${last}${why}`);
        }
        if (denied.length === 0) say(`${host}: nothing was refused in the last ${options.since}`);
        if (allow.length > 0) {
          say("To allow them, once you have checked each:");
          say(`clawdlets.egress.proxy.allowedDomains = [ ${allow.map((domain) => `"${domain}"`).join(" ")} ];`);
        }
        if (options.json) printJson({ ok: true, host, since: options.since, denied, allow });
      }),
    );
}
