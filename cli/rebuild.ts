import { Command, InvalidArgumentError, Option } from "commander";
import { z } from "zod";
import { UserError } from "../core/base/errors.ts";
import { exitCodes } from "../core/base/exit-codes.ts";
import { withLimit } from "../core/base/limits.ts";
import { printable } from "../core/base/wording.ts";
import { type Rebuilt, rebuild } from "../core/host/activation/rebuild.ts";
import { reconcile } from "../core/host/activation/reconcile.ts";
import { commitOf, commitsOnce } from "../core/host/flake/commits.ts";
import type { SshRoute } from "../core/host/reach/ssh.ts";
import { findLayout, type Layout } from "../core/project/layout.ts";
import { requireSafeBots } from "../core/project/lint/lint.ts";
import { ciphertextHere } from "../core/project/secrets/ciphertext.ts";
import { loadHost, type WantedRevision, wantedEnvironment } from "../core/project/settings/host.ts";
import type { Progress } from "../engine/progress/progress.ts";
import { stopSignal } from "../engine/signals.ts";
import { verifiedCanary } from "./fleet/canary.ts";
import { type Chosen, chooseFleet, resumedOptions } from "./fleet/choose.ts";
import { runFleetCommand } from "./fleet/fleet.ts";
import { addFleetOptions, type FleetOptions } from "./fleet/options.ts";
import { withProgress } from "./screen/index.ts";
import { behindWindow, windowOption } from "./shared/behind-window.ts";
import { chooseHost } from "./shared/choose.ts";
import { printJson, resultLines } from "./shared/output.ts";
import { reportTo } from "./shared/report.ts";
import { seconds } from "./shared/seconds.ts";
import { readFacts } from "./shared/stack-facts.ts";

interface Options extends FleetOptions, WantedRevision {
  forStack?: boolean;
  secrets: boolean;
  window?: boolean;
  deadline?: number;
  release?: number;
  allowDowngrade?: boolean;
  json?: boolean;
}

/** Longer than a build may take; it is closed as soon as the change is over. */
const windowMinutes = 90;

/** A commit that breaks one host breaks the next one too. */
const afterFailure = "fail-fast";

/** `clawdlets rebuild`, also `clawdlets server rebuild`: changes running hosts. */
export function rebuildCommand(): Command {
  const command = new Command("rebuild");
  return (
    addFleetOptions(command, afterFailure)
      .addOption(new Option("--rev <commit>", "update to this commit, 40 hex digits").conflicts("ref"))
      .addOption(new Option("--ref <name>", "update to this branch or tag"))
      .addOption(
        new Option("--release <number>", "send a signed release of this machine again (docs/day-two.md)")
          .argParser(releaseNumber)
          .conflicts(["rev", "ref"]),
      )
      .option("--allow-downgrade", "with --release: accept an older one, which root has to allow at the host's console")
      .option("--no-secrets", "do not send secrets")
      .option(
        "--deadline <seconds>",
        "a host rolls back unless it is reached within 10 to 3600 seconds (default clawdlets:rebuild.deadline)",
        seconds,
      )
      .option(...windowOption)
      .option("--json", "print one JSON object")
      // What the stack's NixosConfiguration runs; its facts, commit and digest come by the environment.
      .addOption(new Option("--for-stack").hideHelp())
      .addHelpText(
        "after",
        `
The host builds the commit or a source that is sent to it, or gets a system that is built here or on a builder (clawdlets:rebuild.buildOn). It switches on its own, and rolls back unless a new connection reaches it afterwards.
Exit codes: ${exitCodes.ok} the host runs the new system, ${exitCodes.returned} it rolled back to the old one, ${exitCodes.unseen} lost contact.

Examples:
  clawdlets rebuild --host web-1
  clawdlets rebuild --rev 0123456789abcdef0123456789abcdef01234567 --json
  clawdlets rebuild --all --canary web-1
`,
      )
      .action(run)
  );
}

async function run(options: Options): Promise<void> {
  const layout = findLayout(process.cwd());
  if (options.forStack) return rebuildForStack(layout, chooseHost(layout, options.host));
  const chosen = chooseFleet(layout, "rebuild", options);
  if (options.allowDowngrade && options.release === undefined)
    throw new UserError("--allow-downgrade needs --release.", { exitCode: exitCodes.usage });
  if (chosen && options.release !== undefined)
    throw new UserError("--release is for one host.", { exitCode: exitCodes.usage });
  if (chosen && options.window) throw new UserError("--window is for one host.", { exitCode: exitCodes.usage });
  if (chosen) return rebuildMany(layout, chosen, options);
  const host = chooseHost(layout, options.host);
  const result = await withProgress(`${host}: rebuild`, options, (progress) =>
    rebuildOne(layout, host, options, progress),
  );
  resultLines(options.json)(`${host}: ${resultText(result)}`);
  if (options.json) printJson({ ok: true, ...result });
}

function rebuildOne(layout: Layout, host: string, options: Options, progress: Progress): Promise<Rebuilt> {
  const report = reportTo(progress, host);
  const needs = { token: options.window === true };
  const { settings, local } = loadHost(layout, host, environmentOf(options), needs);
  if (options.rev === undefined) requireSafeBots(layout, settings.bots);
  const secrets = options.secrets ? ciphertextHere(layout, host) : undefined;
  const { release, allowDowngrade, deadline: deadlineSeconds } = options;
  const asked = { secrets, deadlineSeconds, release, allowDowngrade };
  const request = { layout, settings, local, ...asked, report, signal: stopSignal() };
  const work = (route?: SshRoute) => rebuild({ ...request, ...(route && { route }) });
  return options.window ? behindWindow(request, windowMinutes, work) : work();
}

const environmentOf = (wanted: WantedRevision) => ({ ...process.env, ...wantedEnvironment(wanted) });
const resultText = ({ changed, systemPath, rev, dirty }: Rebuilt) =>
  `${changed ? "runs" : "ran already"} ${systemPath}${/^[0-9a-f]{40}$/.test(rev) ? `, of commit ${rev}` : ""}${dirty ? " with changes that are not committed" : ""}`;

function releaseNumber(text: string): number {
  if (/^[1-9][0-9]{0,14}$/.test(text)) return Number(text);
  throw new InvalidArgumentError("the number of a release, e.g. 1764230400");
}

const stackFacts = z.object({ address: z.union([z.ipv4(), z.ipv6()]), installId: z.string() });

async function rebuildForStack(layout: Layout, host: string): Promise<void> {
  const { address } = readFacts(stackFacts);
  const { settings, local } = loadHost(layout, host, process.env, { token: false });
  // On standard error, a line each: the engine shows them as they come.
  const report = (text: string, limit?: number) => void process.stderr.write(`${printable(withLimit(text, limit))}\n`);
  const ciphertext = process.env["CLAWDLETS_CIPHERTEXT"];
  const result = await reconcile({
    layout,
    settings,
    local,
    address,
    ciphertext,
    signal: stopSignal({ forEngine: true }),
    report,
  });
  report(resultText(result));
  printJson(result);
}

function rebuildMany(layout: Layout, chosen: Chosen, options: Options): Promise<void> {
  const asked = resumedOptions(chosen, {
    rev: options.rev,
    ref: options.ref,
    secrets: options.secrets ? undefined : "no",
    deadline: options.deadline?.toString(),
  });
  // The canary is verified, which asks Hetzner: a missing token is said before anything changes.
  if (chosen.canary !== undefined) loadHost(layout, chosen.canary, process.env);
  const { rev, ref, secrets, deadline } = asked;
  const wanted: WantedRevision = { rev, ref };
  const flakeOf = commitsOnce(layout, wanted);
  return runFleetCommand<Rebuilt>({
    layout,
    command: "rebuild",
    chosen,
    options,
    afterFailure,
    asked,
    requestsOf: () => 0, // Not Hetzner is asked, but the hosts.
    task: (signal) => async (host, report) => {
      const { settings, local } = loadHost(layout, host, environmentOf(wanted), { token: false });
      if (rev === undefined) requireSafeBots(layout, settings.bots);
      const result = await rebuild({
        layout,
        settings,
        local,
        rev: commitOf(settings, await flakeOf({ settings, local })),
        secrets: secrets === "no" ? undefined : ciphertextHere(layout, host),
        deadlineSeconds: deadline === undefined ? undefined : Number(deadline),
        signal,
        report,
      });
      const done = { ok: true, exitCode: exitCodes.ok, summary: resultText(result), result };
      return host === chosen.canary
        ? verifiedCanary(done, { layout, host, environment: process.env, signal }, report)
        : done;
    },
  });
}
