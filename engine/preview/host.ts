import { readFileSync } from "node:fs";
import { join } from "node:path";
import { safeText } from "../../core/base/wording.ts";
import type { Difference } from "../../core/project/trust/difference.ts";
import { changedSettings } from "../../core/project/trust/settings.ts";
import type { Engine } from "../../toolchain/index.ts";
import { type Backend, writeStack, writeStackFile } from "./backend.ts";
import type { EngineRun } from "./engine-run.ts";
import { changesOf, dangersOf, powerCutsOf } from "./plan/changes.ts";
import { summaryOf } from "./plan/exists.ts";
import { type CheckpointResource, materialise } from "./plan/materialise.ts";
import type { Plan } from "./plan/plan.ts";
import { type HostReport, verdictOf } from "./plan/report.ts";
import type { CheckedStack, LocatedProblem } from "./plan/stack-checks.ts";
import type { Sandbox } from "./sandbox.ts";
import type { Lanes } from "./warm/lanes.ts";

/** What all hosts of one run share. */
export interface Lab {
  engine: Engine;
  backend: Backend;
  /** For stack files and event logs. */
  scratch: string;
  head: string;
  /** The other revision; left out: nothing to compare with. */
  base?:
    | {
        tree: string;
        name: string;
        /** Whether everything but stack files is the same. */
        sameProgram: boolean;
        /** What all other files say differently. */
        differences: readonly Difference[];
      }
    | undefined;
  pack: NonNullable<EngineRun["pack"]>;
  /** Undefined where there is none to be had, and nothing in reach. */
  sandbox: Sandbox | undefined;
  lanes: Lanes;
  signal: AbortSignal;
}

/** Previews one host in the throwaway backend, against what the other revision would have made. */
export async function previewHost(lab: Lab, checked: CheckedStack): Promise<HostReport> {
  const startedAt = performance.now();
  const report: HostReport = {
    host: checked.host,
    file: checked.file,
    verdict: "invalid",
    exists: "",
    changes: [],
    dangers: [],
    differences: [],
    violations: [],
    problems: checked.problems,
    notes: [],
    seconds: 0,
  };
  if (checked.problems.length === 0) await engineSays(lab, checked, report);
  return { ...report, verdict: verdictOf(report), seconds: Math.round(performance.now() - startedAt) / 1000 };
}

async function engineSays(lab: Lab, { host, file }: CheckedStack, report: HostReport): Promise<void> {
  const text = readFileSync(join(lab.head, file), "utf8");
  if (lab.base) report.differences = differencesOf(lab.base, host, file, text);
  const { comparison, resources } = await earlierState(lab, host, file, text, report.notes);
  writeStack(lab.backend, host, resources);
  const stackFile = stackFileOf(lab, host, "head");
  const hidden = writeStackFile(lab.backend, text, stackFile);
  if (hidden.length > 0) report.notes.push(`encrypted, so a placeholder was used: ${hidden.join(", ")}`);
  const plan = await run(lab, { stack: host, folder: lab.head, stackFile, pack: lab.pack });
  report.problems = plan.errors.map((message) => programProblem(file, message.replaceAll(`${lab.head}/`, "")));
  report.violations = plan.violations;
  report.exists = summaryOf(plan);
  if (comparison === "none") return;
  report.changes = comparison === "same" ? [] : changesOf(plan);
  report.dangers = comparison === "same" ? [] : dangersOf(plan);
  report.notes.push(...powerCutsOf(plan));
}

function differencesOf({ tree, differences }: NonNullable<Lab["base"]>, host: string, file: string, text: string) {
  const own = differences.filter((each) => hostOfFile(each.file) === host);
  return [...changedSettings(host, file, textAt(join(tree, file)), text), ...own];
}

/** The host that a file in `hosts/` is for. */
export const hostOfFile = (file: string) => /^hosts\/([^/]+?)(?:\.nix$|\/)/.exec(file)?.[1];

interface Earlier {
  /** `none`: no revision was named. `same`: nothing differs that this host is made of. */
  comparison: "none" | "same" | "compared";
  resources: CheckpointResource[];
}

async function earlierState(lab: Lab, host: string, file: string, text: string, notes: string[]): Promise<Earlier> {
  if (!lab.base) return { comparison: "none", resources: [] };
  const before = textAt(join(lab.base.tree, file));
  if (before === undefined) {
    notes.push(`does not exist in ${lab.base.name}: a new host`);
    return { comparison: "compared", resources: [] };
  }
  if (before === text && lab.base.sameProgram) return { comparison: "same", resources: [] };
  const stackFile = stackFileOf(lab, host, "base");
  writeStackFile(lab.backend, before, stackFile);
  let resources: CheckpointResource[] = [];
  // Ids become known in the first pass, what is made of them in the next; a third shows that nothing is left to do.
  for (let pass = 0; pass < 4; pass++) {
    writeStack(lab.backend, host, resources);
    const plan = await run(lab, { stack: host, folder: lab.base.tree, stackFile });
    if (plan.failed) {
      notes.push(`could not be previewed in ${lab.base.name}, so everything counts as new: ${firstLine(plan)}`);
      return { comparison: "compared", resources: [] };
    }
    if (pass > 0 && changesOf(plan).length === 0) break;
    resources = materialise(plan, resources);
  }
  return { comparison: "compared", resources };
}

const run = (lab: Lab, request: Pick<EngineRun, "stack" | "folder" | "stackFile" | "pack">) =>
  lab.lanes.preview({
    ...request,
    engine: lab.engine,
    environment: lab.backend.environment,
    events: join(lab.scratch, `${request.stack}.events`),
    refresh: false,
    showSecrets: true,
    sandbox: lab.sandbox,
    signal: lab.signal,
  });

const stackFileOf = (lab: Lab, host: string, which: string) => join(lab.scratch, `Pulumi.${host}.${which}.yaml`);
const firstLine = ({ errors }: Plan) => errors[0]?.split("\n")[0] ?? "the engine gave no reason";

function textAt(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return undefined; // Whatever the reason, there is no such stack to compare with.
  }
}

export function programProblem(file: string, message: string): LocatedProblem {
  const all = message.split("\n");
  // Strip the stack trace and the fields of an error object: they do not help to fix a setting.
  const end = all.findIndex((line) => /^\s*(at |__pulumi)/.test(line));
  const lines = end < 0 ? all : all.slice(0, end);
  return {
    code: "program-failed",
    subject: file,
    at: { file, line: 1 },
    problem: safeText(lines.slice(0, 12).join(" ")),
  };
}
