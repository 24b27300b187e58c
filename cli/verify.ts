import { Command } from "commander";
import { findLayout } from "../core/local/layout.ts";
import { verifyHost } from "../core/lockdown/verify.ts";
import { allOption, chooseHosts, worstOf } from "./_hosts.ts";
import { stopSignal } from "./_signals.ts";
import { showVerified } from "./_verified.ts";

/** `clawdlets verify`: whether hosts are locked down as declared. Changes nothing. */
export function verifyCommand(): Command {
  return new Command("verify")
    .description(
      "look whether a host is locked down as declared: tailnet, firewalls by the API, TCP/22 by connecting; read-only",
    )
    .option("--host <name>", "the host; left out: the only one")
    .option(...allOption)
    .option("--json", "one JSON object on stdout")
    .addHelpText(
      "after",
      "\nExits with 0 when all is as declared, 8 when a port is open or could not be shown to be closed, 6 when Hetzner\ncould not be asked, 3 when there is no token, 1 otherwise, e.g. for a tailnet that does not answer.\n\nExamples:\n  clawdlets verify --host web-1\n  */10 * * * *  cd /srv/hosts && npx clawdlets verify --all --json >> verify.jsonl || mail -s 'open port?' you\n",
    )
    .action(async (options: { host?: string; all?: boolean; json?: boolean }) => {
      const layout = findLayout(process.cwd());
      const signal = stopSignal();
      const hosts = [];
      for (const host of chooseHosts(layout, options)) {
        const verified = await verifyHost({ layout, host, environment: process.env, signal });
        showVerified(verified);
        hosts.push(verified);
      }
      const ok = hosts.every((each) => each.ok);
      if (options.json) process.stdout.write(`${JSON.stringify({ ok, hosts })}\n`);
      process.exitCode = worstOf(hosts.map(({ exitCode }) => exitCode));
    });
}
