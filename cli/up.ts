import { Command, Option } from "commander";
import { UserError } from "../core/base/errors.ts";
import { exitCodes } from "../core/base/exit-codes.ts";
import { adoptionKey } from "../core/base/hetzner/adopt.ts";
import { keepCopy } from "../core/project/copies/keep.ts";
import { findLayout, type Layout } from "../core/project/layout.ts";
import { loadHost, type WantedRevision, wantedEnvironment } from "../core/project/settings/host.ts";
import { listStackFiles } from "../core/project/settings/stack-file.ts";
import { firewallLimit, firewallsNeeded, ofFirewalls } from "../core/tasks/fleet/firewalls.ts";
import { requestsOfUp } from "../core/tasks/fleet/requests.ts";
import { engineOrSetUp } from "../engine/environment.ts";
import { keepState } from "../engine/good-state.ts";
import { withInstallationSettled } from "../engine/interrupted.ts";
import { findAdoptable } from "../engine/leftovers.ts";
import { doneText } from "../engine/progress/operations.ts";
import type { Progress } from "../engine/progress/progress.ts";
import { recover } from "../engine/recover.ts";
import { runEngine } from "../engine/run.ts";
import { openStack } from "../engine/stack.ts";
import { askedAgain, type Chosen, chooseFleet } from "./fleet/choose.ts";
import { runFleetCommand } from "./fleet/fleet.ts";
import { addFleetOptions, defaultParallel, type FleetOptions } from "./fleet/options.ts";
import { withProgress } from "./screen/index.ts";
import { chooseHost } from "./shared/choose.ts";
import { printJson, resultLines } from "./shared/output.ts";
import { proveMended } from "./shared/verified.ts";

export interface UpResult {
  ok: true;
  stack: string;
  /** Resources by operation: `{same: 9}` when there was nothing to do. */
  changes: Record<string, number>;
  outputs: Record<string, unknown>;
  seconds: number;
}

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
      const result = await withProgress(`${host}: up`, options, (progress) => up(layout, host, progress, options));
      resultLines(options.json)(`${host}: ${doneText(result.changes)}`);
      if (options.json) printJson(result);
    });
}

const isTaken = (error: unknown) =>
  error instanceof UserError && error.reasons.some((text) => text.includes("uniqueness_error"));

function upMany(layout: Layout, chosen: Chosen, options: Options): Promise<void> {
  const { adopt, ...wanted } = askedAgain(chosen, {
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
      if (most > firewallLimit) tell(`note: all hosts need up to ${most} firewalls; ${ofFirewalls}`);
      await engineOrSetUp(tell);
    },
    requestsOf: (host) => requestsOfUp(layout, host),
    task: () => async (host, tell) => {
      const result = await up(layout, host, tell, {
        ...wanted,
        adopt: adopt === "yes",
      });
      return { ok: true, exitCode: exitCodes.ok, summary: doneText(result.changes), result };
    },
  });
}

/** @throws SettingsError before anything is changed; UserError with the engine's own reason afterwards */
export async function up(
  layout: Layout,
  host: string,
  progress: Progress,
  wanted: WantedRevision & { adopt?: boolean } = {},
): Promise<UpResult> {
  const asked = wantedEnvironment(wanted);
  const { settings, local } = loadHost(layout, host, { ...process.env, ...asked });
  const engine = await engineOrSetUp(progress);
  const stack = await openStack(layout, host, engine, { extra: asked, tell: progress });
  const recovery = { layout, host, settings, local, tell: progress };
  await recover(stack, recovery);
  const startedAt = Date.now();
  const run = () =>
    withInstallationSettled(recovery, () => runEngine(host, "up", progress, (options) => stack.up(options)));
  const takeOver = async () => {
    const adopt = await findAdoptable({ layout, host, local, tell: progress }, wanted.adopt === true);
    if (!adopt) return false;
    const extra = { ...asked, [adoptionKey]: JSON.stringify(adopt) };
    const adopting = await openStack(layout, host, engine, { extra, tell: progress });
    await withInstallationSettled(recovery, () => runEngine(host, "up", progress, (options) => adopting.up(options)));
    progress(`${host}: taken over; what differs from the declaration is applied`);
    return true;
  };
  if (stack.isRestored) await takeOver();
  const { summary, outputs } = await run().catch(async (error: unknown) => {
    // A name is taken, perhaps by what an earlier run made and lost. Not looked for before: it costs requests.
    if (!isTaken(error) || !(await takeOver())) throw error;
    return run();
  });
  await keepState(layout, host);
  keepCopy(layout);
  const changes = Object.fromEntries(
    Object.entries(summary.resourceChanges ?? {}).map(([op, count]) => [op, count ?? 0]),
  );
  await proveMended(layout, host, changes, progress);
  const seconds = (Date.now() - startedAt) / 1000;
  const plain = Object.entries(outputs).map(([name, { value, secret }]) => [
    name,
    secret ? "[secret]" : (value as unknown),
  ]);
  return { ok: true, stack: host, changes, outputs: Object.fromEntries(plain), seconds };
}
