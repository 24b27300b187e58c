import { Command, Option } from "commander";
import pc from "picocolors";
import { problemLine } from "../core/base/problem.ts";
import { asUserError } from "../core/base/system-errors.ts";
import { counted } from "../core/base/wording.ts";
import { findLayout } from "../core/project/layout.ts";
import {
  type DoctorContext,
  examine,
  exitCodeOf,
  type Finding,
  type Scope,
  scopes,
} from "../core/tasks/doctor/index.ts";
import { scanRepository } from "../core/tasks/repo/secret-scan.ts";
import { engineRoot } from "../engine/environment.ts";
import { findEngine } from "../engine/find-engine.ts";
import { stopSignal } from "../engine/signals.ts";
import { gitleaksOrSetUp } from "./shared/gitleaks.ts";
import { chooseHosts } from "./shared/hosts.ts";
import { printJson, type ResultLine, resultLines, tell } from "./shared/output.ts";

interface Options {
  host?: string;
  scope?: Scope;
  strict?: boolean;
  json?: boolean;
}

/** `clawdlets doctor`: checks everything that could be wrong and prints how to fix it. Changes nothing. */
export function doctorCommand(): Command {
  return new Command("doctor")
    .option("--host <name>", "check one host; the default is all")
    .addOption(new Option("--scope <name>", "check only repo, stack (files, keys, secrets) or deploy").choices(scopes))
    .option("--strict", "fail on warnings and skipped checks, too")
    .option("--json", "print one JSON object")
    .addHelpText(
      "after",
      "\nExit codes: 0 no problems, 8 a port is open, 13 cannot tell whether a port is open, 3 other problems. With --strict also\n6 for a skipped check and 1 for a warning.\n\nExamples:\n  clawdlets doctor --scope repo --strict\n  clawdlets doctor --host web-1 --json | jq '.findings[] | select(.status != \"ok\")'\n",
    )
    .action(async (options: Options) => {
      const layout = findLayout(process.cwd());
      const hosts = chooseHosts(layout, options.host === undefined ? { all: true } : { host: options.host });
      const chosen = options.scope === undefined ? scopes : [options.scope];
      const scanSecrets = chosen.includes("repo") ? await scannerOrNone() : undefined;
      const engine = findEngine(engineRoot);
      const context: DoctorContext = {
        layout,
        hosts,
        environment: process.env,
        sops: engine?.sops,
        ...(engine && { refusesOthers: engine.refusesOthers }),
        ...(scanSecrets && { scanSecrets }),
        signal: stopSignal(),
      };
      const findings = await examine(context, chosen);
      // What Ctrl-C has ended would be shown as a problem of Hetzner or the tailnet.
      context.signal.throwIfAborted();
      const say = resultLines(options.json);
      for (const finding of findings) show(finding, say);
      const exitCode = exitCodeOf(findings, options.strict === true);
      say(summary(findings));
      if (options.json) printJson({ ok: exitCode === 0, strict: options.strict === true, findings });
      process.exitCode = exitCode;
    });
}

/** gitleaks over the whole history and uncommitted files; if it cannot be installed, the check is reported as skipped. */
async function scannerOrNone(): Promise<DoctorContext["scanSecrets"]> {
  try {
    const tools = await gitleaksOrSetUp(tell);
    return (root) => scanRepository({ root, ...tools });
  } catch (error) {
    const known = asUserError(error);
    if (!known) throw error;
    tell(known.message);
    return undefined;
  }
}

const colours = { ok: pc.green, warning: pc.yellow, problem: pc.red, "not checked": pc.dim } as const;

function show(finding: Finding, say: ResultLine): void {
  const { scope, host, check, status, subject } = finding;
  const name = `${host === undefined ? scope : `${scope} ${host}`}: ${check}`;
  const mark = `${colours[status](status.padEnd(11))} `;
  if (finding.status === "ok") {
    say(`${name}: ${finding.found}`, mark);
    return;
  }
  const { setting, problem, fix } = finding;
  say(`${name}: ${problemLine({ subject: "", ...(setting !== undefined && { setting }), problem })}`, mark);
  say(`${" ".repeat(12)}checked: ${subject}`);
  if (fix !== undefined) say(`${" ".repeat(12)}fix: ${fix}`);
}

function summary(findings: readonly Finding[]): string {
  const count = (status: Finding["status"]) => findings.filter((each) => each.status === status).length;
  const countedIn = (status: "warning" | "problem") => counted(count(status), status);
  return `${count("ok")} ok, ${countedIn("warning")}, ${countedIn("problem")}, ${count("not checked")} not checked`;
}
