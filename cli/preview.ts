import type { Stack } from "@pulumi/pulumi/automation/index.js";
import { Command, Option } from "commander";
import { SettingsError, UserError } from "../core/base/errors.ts";
import { exitCodes } from "../core/base/exit-codes.ts";
import { findLayout, type Layout } from "../core/project/layout.ts";
import { readStackFile } from "../core/project/settings/stack-file.ts";
import { readProjectFile } from "../core/project/state/project-file.ts";
import { requestsOfPreview } from "../core/tasks/fleet/requests.ts";
import { isChosen } from "../engine/chosen-stack.ts";
import { engineOrSetUp, prepareState } from "../engine/environment.ts";
import { brokenState } from "../engine/good-state.ts";
import { monthlyCost } from "../engine/preview/monthly-cost.ts";
import { formats } from "../engine/preview/plan/format.ts";
import { type Event as PlanEvent, PlanReader } from "../engine/preview/plan/plan.ts";
import { notesOf, plannedOf } from "../engine/preview/plan/planned.ts";
import { type Planned, plannedLines } from "../engine/preview/plan/planned-text.ts";
import { changedText } from "../engine/progress/operations.ts";
import type { Progress } from "../engine/progress/progress.ts";
import { type EngineOptions, runEngine } from "../engine/run.ts";
import { streamPreview } from "../engine/streamed-preview.ts";
import type { Engine } from "../toolchain/index.ts";
import { askedAgain, type Chosen, chooseFleet } from "./fleet/choose.ts";
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
      const { changes, ...planned } = await preview(layout, host, options.refresh, progress);
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
  const { refresh } = askedAgain(chosen, { refresh: options.refresh ? undefined : "no" });
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
      const planned = await preview(layout, host, refresh !== "no", tell);
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

/** What a preview found of one host. */
export interface HostPreview extends Planned {
  /** Resources by operation. */
  changes: Record<string, number>;
}

/** @param watch told every event of the engine, beside `progress` */
export async function preview(
  layout: Layout,
  host: string,
  refresh: boolean,
  progress: Progress,
  watch?: EngineOptions["onEvent"],
): Promise<HostPreview> {
  // What the program would say, without starting an engine, and also where the engine itself cannot read the file.
  const problems = readProjectFile(layout).stacksAreHosts ? readStackFile(layout, host).problems : [];
  if (problems.length > 0) throw new SettingsError(problems);
  const engine = await engineOrSetUp(progress);
  prepareState(layout, host);
  const broken = brokenState(layout, host);
  if (broken !== undefined) throw new UserError(broken, { exitCode: exitCodes.engine });
  const reader = new PlanReader();
  const { changeSummary } = await runEngine(host, "preview", progress, async ({ onEvent, ...rest }) => {
    const both: EngineOptions["onEvent"] = (event) => {
      onEvent(event);
      reader.take(event as unknown as PlanEvent);
      watch?.(event);
    };
    const options = { ...rest, onEvent: both };
    return isChosen(layout, host, engine)
      ? streamPreview({ layout, host, engine, refresh }, options)
      : (await openedStack(layout, host, engine, refresh)).preview(options);
  });
  const changes = Object.fromEntries(Object.entries(changeSummary).map(([op, count]) => [op, count ?? 0]));
  const plan = plannedOf(reader.plan, host);
  const monthly = await monthlyCost(reader.plan, layout, host);
  return { changes, plan, notes: notesOf(reader.plan, plan, host), ...(monthly && { monthly }) };
}

/** The first time: the stack is made or chosen, by the library. */
async function openedStack(layout: Layout, host: string, engine: Engine, refresh: boolean): Promise<Stack> {
  const { openStack } = await import("../engine/stack.ts");
  // The library passes --refresh on, but never --refresh=false; the engine reads each of its options from the environment too.
  return openStack(layout, host, engine, refresh ? {} : { extra: { PULUMI_OPTION_REFRESH: "false" } });
}
