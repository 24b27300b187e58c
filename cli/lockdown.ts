import { Command } from "commander";
import { lockdownFacts, proveLockdown } from "../core/bootstrap/lockdown.ts";
import { closeWindowsOf } from "../core/bootstrap/window.ts";
import { createHetzner } from "../core/hetzner/client.ts";
import { findLayout } from "../core/local/layout.ts";
import { loadHost } from "../core/settings/host.ts";
import { chooseHost } from "./_choose.ts";
import { milestones, stopSignal } from "./_signals.ts";
import { readFacts } from "./install.ts";

/** `clawdlets lockdown`: closes what may be open, or proves for the stack that nothing is. */
export function lockdownCommand(): Command {
  return new Command("lockdown")
    .description("close every bootstrap window of a host; needs only the API, neither ssh nor the stack")
    .option("--host <name>", "the host; left out: the only one")
    .option("--prove", "change nothing, compare with CLAWDLETS_FACTS and fail if it is not so; run by `up`")
    .option("--json", "one JSON object on stdout")
    .addHelpText("after", "\nExamples:\n  clawdlets lockdown --host web-1\n")
    .action(async (options: { host?: string; prove?: boolean; json?: boolean }) => {
      const layout = findLayout(process.cwd());
      const host = chooseHost(layout, options.host);
      const { settings, local } = loadHost(layout, host, process.env);
      if (options.prove) {
        const seen = await proveLockdown({
          layout,
          settings,
          local,
          facts: readFacts(lockdownFacts),
          signal: stopSignal(),
          report: milestones(),
        });
        process.stdout.write(`${JSON.stringify(seen)}\n`);
        return;
      }
      const closed = await closeWindowsOf(createHetzner({ endpoint: local.endpoint, token: local.token }), host);
      process.stderr.write(closed === 0 ? `${host}: no window was open\n` : `${host}: ${closed} window(s) closed\n`);
      if (options.json) process.stdout.write(`${JSON.stringify({ ok: true, host, closed })}\n`);
    });
}
