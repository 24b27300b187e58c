import type { Stack } from "@pulumi/pulumi/automation/index.js";
import { SettingsError, UserError } from "../../core/base/errors.ts";
import { exitCodes } from "../../core/base/exit-codes.ts";
import type { Environment } from "../../core/base/machine/environment.ts";
import type { Layout } from "../../core/project/layout.ts";
import { readStackFile } from "../../core/project/settings/stack-file.ts";
import { readProjectFile } from "../../core/project/state/project-file.ts";
import type { Engine } from "../../toolchain/index.ts";
import { isChosen } from "../chosen-stack.ts";
import { engineOrSetUp, prepareState } from "../environment.ts";
import type { Progress } from "../progress/progress.ts";
import { brokenState } from "../recovery/good-state.ts";
import { type EngineOptions, runEngine } from "../run.ts";
import { streamPreview } from "../streamed-preview.ts";
import { monthlyCost } from "./monthly-cost.ts";
import { type Event as PlanEvent, PlanReader } from "./plan/plan.ts";
import { notesOf, plannedOf } from "./plan/planned.ts";
import type { Planned } from "./plan/planned-text.ts";

/** What a preview found of one host. */
export interface HostPreview extends Planned {
  /** Resources by operation. */
  changes: Record<string, number>;
}

export interface PreviewRequest {
  layout: Layout;
  host: string;
  environment: Environment;
  /** Whether Hetzner is asked what it has, rather than the state trusted. */
  refresh: boolean;
  progress: Progress;
  /** Receives every event of the engine, in addition to `progress`. */
  watch?: EngineOptions["onEvent"];
}

/**
 * What `up` would do to one host, against its state.
 * @throws SettingsError, UserError
 */
export async function preview(request: PreviewRequest): Promise<HostPreview> {
  const { layout, host, environment, refresh, progress, watch } = request;
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
  const monthly = await monthlyCost(reader.plan, { layout, host, environment });
  return { changes, plan, notes: notesOf(reader.plan, plan, host), ...(monthly && { monthly }) };
}

/** The first time: the stack is made or chosen, by the library. */
async function openedStack(layout: Layout, host: string, engine: Engine, refresh: boolean): Promise<Stack> {
  const { openStack } = await import("../stack.ts");
  // The library passes --refresh on, but never --refresh=false; the engine reads each of its options from the environment too.
  return openStack(layout, host, engine, refresh ? {} : { extra: { PULUMI_OPTION_REFRESH: "false" } });
}
