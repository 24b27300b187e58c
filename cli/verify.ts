import { Command } from "commander";
import type { Verified } from "../core/host/lockdown/verify.ts";
import { findLayout, type Layout } from "../core/project/layout.ts";
import { requestsOfVerify } from "../core/tasks/fleet/requests.ts";
import { verifyEverything } from "../core/tasks/verify.ts";
import { stopSignal } from "../engine/signals.ts";
import { type Chosen, chooseFleet } from "./fleet/choose.ts";
import { runFleetCommand } from "./fleet/fleet.ts";
import { addFleetOptions, type FleetOptions } from "./fleet/options.ts";
import { allOption, chooseHosts, knownHosts, worstOf } from "./shared/hosts.ts";
import { printJson, resultLines } from "./shared/output.ts";
import { showVerified, verdictOf } from "./shared/verified.ts";

/** `clawdlets verify`: whether hosts are locked down as declared, and backed up. Changes nothing. */
export function verifyCommand(): Command {
  const command = new Command("verify");
  return addFleetOptions(command, "keep-going", allOption[1])
    .option("--json", "print one JSON object")
    .addHelpText(
      "after",
      "\nExit codes: 0 all as declared, 8 something is open, 13 cannot tell (no token, no response from Hetzner or the tailnet, the\nserver is off), 1 all closed, but a declared rule is\nmissing or a backup is too old.\n\nExamples:\n  clawdlets verify --host web-1\n  */10 * * * *  cd /srv/hosts && npx --no-install clawdlets verify --all --json >> verify.jsonl || mail -s 'open port?' you\n",
    )
    .action(async (options: FleetOptions & { json?: boolean }) => {
      const layout = findLayout(process.cwd());
      const chosen = chooseFleet(layout, "verify", options, knownHosts(layout));
      if (chosen) return verifyMany(layout, chosen, options);
      const signal = stopSignal();
      const hosts = [];
      for (const host of chooseHosts(layout, options)) {
        const verified = await verifyEverything({ layout, host, environment: process.env, signal });
        showVerified(verified, resultLines(options.json));
        hosts.push(verified);
      }
      const ok = hosts.every((each) => each.ok);
      if (options.json) printJson({ ok, hosts });
      process.exitCode = worstOf(hosts.map(({ exitCode }) => exitCode));
    });
}

function verifyMany(layout: Layout, chosen: Chosen, options: FleetOptions & { json?: boolean }): Promise<void> {
  return runFleetCommand<Verified>({
    layout,
    command: "verify",
    chosen,
    options,
    afterFailure: "keep-going",
    requestsOf: () => requestsOfVerify,
    task: (signal) => async (host, tell) => {
      tell("looking");
      const result = await verifyEverything({ layout, host, environment: process.env, signal });
      const { ok, exitCode, wrong, warnings } = result;
      return { ok, exitCode, summary: verdictOf(result), details: [...wrong, ...warnings], result };
    },
  });
}
