import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pMap from "p-map";
import { SettingsError, UserError } from "../../core/base/errors.ts";
import { exitCodes } from "../../core/base/exit-codes.ts";
import { inheritedBy, ownEnvironment } from "../../core/base/machine/environment.ts";
import type { Engine } from "../../toolchain/index.ts";
import { engineEnvironment, foreignBackend, packageRoot } from "../environment.ts";
import { bareEnvironment } from "./backend.ts";
import { refuseForeignCode } from "./ci-event.ts";
import { runPreview } from "./engine-run.ts";
import { programProblem } from "./host.ts";
import { changesOf, dangersOf, powerCutsOf } from "./plan/changes.ts";
import { summaryOf } from "./plan/exists.ts";
import { type HostReport, type PreviewReport, verdictOf, worstOf } from "./plan/report.ts";
import { type CheckedStack, checkStacks } from "./plan/stack-checks.ts";
import { packSettings, type ThrowawayRequest } from "./throwaway.ts";

export interface StateRequest extends Omit<ThrowawayRequest, "base"> {
  /** Whether Hetzner is asked first; left out: as Pulumi.yaml says. */
  refresh: false | undefined;
}

/**
 * Previews the real change, against the state and with the credentials that are there. RUNS THE CHECKOUT'S PROGRAM WITH THEM
 * IN REACH: only for branches whose authors may have them.
 * @throws UserError in a pull request from a fork, and where credentials are missing
 */
export async function previewState(request: StateRequest): Promise<PreviewReport> {
  const { layout, hosts, tell, signal, refresh, engine } = request;
  refuseForeignCode(ownEnvironment());
  const foreign = existsSync(layout.passphrase) ? foreignBackend(layout, ownEnvironment()) : undefined;
  if (foreign) throw new SettingsError([foreign]);
  const environment = credentials(request);
  const folder = mkdtempSync(join(tmpdir(), "clawdlets-preview-"));
  const settings = join(layout.root, packSettings);
  const pack = { folder: join(packageRoot, "policy"), settings: existsSync(settings) ? settings : undefined };
  const one = async (checked: CheckedStack): Promise<HostReport> => {
    const startedAt = performance.now();
    const { host: stack, file, problems } = checked;
    const events = join(folder, `${stack}.events`);
    const plan =
      problems.length > 0
        ? undefined
        : await runPreview({
            engine,
            stack,
            folder: layout.root,
            environment,
            events,
            pack,
            signal,
            ...(refresh === false && { refresh }),
          });
    const protectedOnes = plan?.errors.filter((error) => /marked for protection/.test(error)) ?? [];
    const errors = plan?.errors.filter((error) => !protectedOnes.includes(error)) ?? [];
    const report: HostReport = {
      host: stack,
      file,
      verdict: "invalid",
      exists: plan ? summaryOf(plan) : "",
      changes: plan ? changesOf(plan) : [],
      dangers: [
        ...(plan ? dangersOf(plan) : []),
        ...protectedOnes.map((message) => ({ kind: "destruction" as const, resource: stack, message })),
      ],
      differences: [],
      violations: plan?.violations ?? [],
      problems: [...problems, ...errors.map((message) => programProblem(file, message))],
      notes: plan ? powerCutsOf(plan) : [],
      seconds: Math.round(performance.now() - startedAt) / 1000,
    };
    tell(`${stack}: done after ${report.seconds} s`);
    return { ...report, verdict: verdictOf(report) };
  };
  try {
    // Two at a time: each asks Hetzner, whose quota is a project's.
    const all = await pMap(checkStacks(layout, hosts), one, { concurrency: 2 });
    return { comparedWith: "the state", verdict: worstOf(all), hosts: all, differences: [], notes: [] };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const needed = ["PULUMI_BACKEND_URL", "HCLOUD_TOKEN"] as const;
const passphrases = ["PULUMI_CONFIG_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE_FILE"] as const;

function credentials({ layout, engine }: { layout: StateRequest["layout"]; engine: Engine }): Record<string, string> {
  if (existsSync(layout.passphrase)) return engineEnvironment(layout, engine);
  const missing = [
    ...needed.filter((key) => !ownEnvironment()[key]),
    ...(passphrases.some((key) => ownEnvironment()[key] !== undefined) ? [] : [passphrases.join(" or ")]),
  ];
  if (missing.length > 0) {
    throw new UserError(
      `--state needs the state and its credentials: there is no ${layout.passphrase}, and the environment lacks ${missing.join(", ")}. Omit --state to preview without it.`,
      { exitCode: exitCodes.settings },
    );
  }
  const given = [...needed, ...passphrases].flatMap((key) => {
    const value = ownEnvironment()[key];
    return value === undefined ? [] : [[key, value] as const];
  });
  const {
    HCLOUD_ENDPOINT: _,
    NODE_OPTIONS: __,
    ...bare
  } = bareEnvironment(engine, ownEnvironment()["HOME"] ?? layout.root);
  return { ...bare, ...inheritedBy((key) => /^(AWS|AZURE|GOOGLE)_/.test(key)), ...Object.fromEntries(given) };
}
