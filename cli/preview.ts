import { Command, Option } from "commander";
import { UserError } from "../core/base/errors.ts";
import { exitCodes } from "../core/base/exit-codes.ts";
import { findLayout, type Layout } from "../core/project/layout.ts";
import { requestsOfPreview } from "../core/tasks/fleet/requests.ts";
import { engineOrSetUp } from "../engine/environment.ts";
import { formats } from "../engine/preview/plan/format.ts";
import { plannedLines } from "../engine/preview/plan/planned-text.ts";
import { type HostPreview, preview } from "../engine/preview/with-state.ts";
import { changedText } from "../engine/progress/operations.ts";
import { type Chosen, chooseFleet, resumedOptions } from "./fleet/choose.ts";
import { runFleetCommand } from "./fleet/fleet.ts";
import { addFleetOptions, type FleetOptions, fleetOnly } from "./fleet/options.ts";
import { startProgress } from "./screen/index.ts";
import { chooseHost } from "./shared/choose.ts";
import { printJson, resultLines } from "./shared/output.ts";
import type { CiOptions } from "./shared/preview-ci.ts";

type Options = CiOptions & FleetOptions & { json?: boolean };

/** Read-only, so a failure of one host does not stop the others. */
const afterFailure = "keep-going";

/** `clawdlets preview`: what `up` would do. Changes nothing. */
export function previewCommand(): Command {
  const command = new Command("preview");
  return addFleetOptions(command, afterFailure)
    .option("--no-refresh", "trust the state; ask Hetzner only about new resources and a changed server type")
    .option("--json", "print one JSON object")
    .option("--ci", "preview without token, passphrase, .clawdlets or state, and apply the policy (docs/ci.md)")
    .option("--stack <names...>", "with --ci: only these hosts")
    .addOption(new Option("--format <format>", "with --ci: format of the report").choices(formats))
    .option("--base <revision>", "with --ci: compare with this git revision, e.g. origin/main")
    .option("--state", "with --ci: compare with the real state; needs its credentials, refused for forks")
    .addHelpText(
      "after",
      `
Examples:
  clawdlets preview --host web-1
  clawdlets preview --host web-1 --no-refresh --json
  clawdlets preview --all --parallel 2
  clawdlets preview --ci --all --base origin/main --format markdown

With --ci, the exit code is the verdict: ${exitCodes.ok} clean, ${exitCodes.changes} changes, ${exitCodes.dangerous} dangerous, ${exitCodes.settings} invalid.
`,
    )
    .action(async (options: Options) => {
      if (options.ci) return inCi(options);
      refuseWithoutCi(options);
      const layout = findLayout(process.cwd());
      const chosen = chooseFleet(layout, "preview", options);
      if (chosen) return previewMany(layout, chosen, options);
      const host = chooseHost(layout, options.host);
      const progress = startProgress();
      const { changes, ...planned } = await preview({
        layout,
        host,
        environment: process.env,
        refresh: options.refresh,
        progress,
      });
      const say = resultLines(options.json);
      for (const line of plannedLines(planned)) say(line);
      say(`${host}: ${changedText(changes) ?? nothing}`);
      if (options.json) printJson({ ok: true, stack: host, changes, ...planned });
    });
}

const nothing = "nothing would change";

async function inCi(options: Options): Promise<void> {
  const given = fleetOnly(options);
  if (given.length === 0) return (await import("./shared/preview-ci.ts")).previewInCi(options);
  throw new UserError(`${given.join(", ")} cannot be used with --ci, which takes --stack or --all.`, {
    exitCode: exitCodes.usage,
  });
}

function previewMany(layout: Layout, chosen: Chosen, options: Options): Promise<void> {
  // `--refresh` is commander's default for --no-refresh.
  const { refresh } = resumedOptions(chosen, { refresh: options.refresh ? undefined : "no" });
  return runFleetCommand<HostPreview & { stack: string }>({
    layout,
    command: "preview",
    chosen,
    options,
    afterFailure,
    asked: refresh === undefined ? {} : { refresh },
    prepare: engineOrSetUp,
    linesOf: plannedLines,
    requestsOf: (host) => (refresh === "no" ? 0 : requestsOfPreview(layout, host)),
    task: () => async (host, tell) => {
      const planned = await preview({
        layout,
        host,
        environment: process.env,
        refresh: refresh !== "no",
        progress: tell,
      });
      const summary = changedText(planned.changes) ?? nothing;
      return { ok: true, exitCode: exitCodes.ok, summary, result: { stack: host, ...planned } };
    },
  });
}

function refuseWithoutCi(options: Options): void {
  const given = (["stack", "format", "base", "state"] as const).filter((key) => options[key] !== undefined);
  if (given.length === 0) return;
  throw new UserError(`--${given.join(" and --")} can only be used with --ci.`, { exitCode: exitCodes.usage });
}
