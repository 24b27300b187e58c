import { Command, Option } from "commander";
import { exitCodes } from "../core/base/exit-codes.ts";
import { findLayout, type Layout } from "../core/project/layout.ts";
import type { WantedRevision } from "../core/project/settings/host.ts";
import { listStackFiles } from "../core/project/settings/stack-file.ts";
import { firewallLimit, firewallLimitNote, firewallsNeeded } from "../core/tasks/fleet/firewalls.ts";
import { requestsOfUp } from "../core/tasks/fleet/requests.ts";
import { engineOrSetUp } from "../engine/environment.ts";
import { doneText } from "../engine/progress/operations.ts";
import { type UpResult, up } from "../engine/up.ts";
import { type Chosen, chooseFleet, resumedOptions } from "./fleet/choose.ts";
import { runFleetCommand } from "./fleet/fleet.ts";
import { addFleetOptions, defaultParallel, type FleetOptions } from "./fleet/options.ts";
import { withProgress } from "./screen/index.ts";
import { chooseHost } from "./shared/choose.ts";
import { printJson, resultLines } from "./shared/output.ts";

interface Options extends FleetOptions, WantedRevision {
  adopt?: boolean;
  json?: boolean;
}

/** What one host shows to be wrong is likely wrong with the next one too, and this changes servers. */
const afterFailure = "fail-fast";

/** `clawdlets up`: from settings to a locked-down host. */
export function upCommand(): Command {
  const command = new Command("up");
  return addFleetOptions(command, afterFailure)
    .addOption(new Option("--rev <commit>", "install the flake at this commit, 40 hex digits").conflicts("ref"))
    .addOption(new Option("--ref <name>", "install the flake at this branch or tag"))
    .option("--adopt", "take over a server, firewall and key that have this host's labels but are not in the state")
    .option("--json", "print one JSON object")
    .addHelpText(
      "after",
      "\nExamples:\n  clawdlets up --host web-1\n  clawdlets up --host web-1 --ref v1.2\n  clawdlets up --host web-1 --json | jq .outputs.ipv4\n  clawdlets up --all --canary web-1 --parallel 6\n",
    )
    .action(async (options: Options) => {
      const layout = findLayout(process.cwd());
      const chosen = chooseFleet(layout, "up", options);
      if (chosen) return upMany(layout, chosen, options);
      const host = chooseHost(layout, options.host);
      const adopt = options.adopt === true;
      const result = await withProgress(`${host}: up`, options, (progress) =>
        up({ layout, host, environment: process.env, progress, wanted: options, adopt }),
      );
      resultLines(options.json)(`${host}: ${doneText(result.changes)}`);
      if (options.json) printJson(result);
    });
}

function upMany(layout: Layout, chosen: Chosen, options: Options): Promise<void> {
  const { adopt, ...wanted } = resumedOptions(chosen, {
    rev: options.rev,
    ref: options.ref,
    adopt: options.adopt ? "yes" : undefined,
  });
  return runFleetCommand<UpResult>({
    layout,
    command: "up",
    chosen,
    options,
    afterFailure,
    asked: { ...wanted, ...(adopt !== undefined && { adopt }) },
    prepare: async (tell) => {
      const most = firewallsNeeded(listStackFiles(layout).length, options.parallel ?? defaultParallel);
      if (most > firewallLimit) tell(`note: all hosts need up to ${most} firewalls; ${firewallLimitNote}`);
      await engineOrSetUp(tell);
    },
    requestsOf: (host) => requestsOfUp(layout, host),
    task: () => async (host, tell) => {
      const request = { layout, host, environment: process.env, progress: tell, wanted, adopt: adopt === "yes" };
      const result = await up(request);
      return { ok: true, exitCode: exitCodes.ok, summary: doneText(result.changes), result };
    },
  });
}
