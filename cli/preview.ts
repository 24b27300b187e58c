import { Command, Option } from "commander";
import { formats } from "../core/ci/format.ts";
import { UserError } from "../core/errors.ts";
import { exitCodes } from "../core/exit-codes.ts";
import { findLayout, type Layout } from "../core/local/layout.ts";
import { chooseHost } from "./_choose.ts";
import { engineOrSetUp } from "./_engine.ts";
import { type CiOptions, previewInCi } from "./_preview-ci/command.ts";
import { type Progress, startProgress } from "./_progress.ts";
import { runEngine } from "./_run-engine.ts";
import { openStack } from "./_stack.ts";

interface Options extends CiOptions {
  host?: string;
  json?: boolean;
}

/** `clawdlets preview`: what `up` would do. Changes nothing. */
export function previewCommand(): Command {
  return new Command("preview")
    .description("show what `up` would do; changes nothing")
    .option("--host <name>", "the host; left out: the only one")
    .option("--no-refresh", "believe the state and ask Hetzner nothing: no requests at all")
    .option("--json", "one JSON object on stdout")
    .option("--ci", "preview without token, passphrase, .clawdlets or state, and judge it by the policy (docs/ci.md)")
    .option("--stack <names...>", "with --ci: these hosts; left out: all")
    .option("--all", "with --ci: every host that has a stack file")
    .addOption(new Option("--format <format>", "with --ci: how the report is written").choices(formats))
    .option("--base <revision>", "with --ci: compare with this revision of git, e.g. origin/main")
    .option("--state", "with --ci: compare with the real state; needs its credentials, and is refused to forks")
    .addHelpText(
      "after",
      `
Examples:
  clawdlets preview --host web-1
  clawdlets preview --host web-1 --no-refresh --json
  clawdlets preview --ci --all --base origin/main --format markdown

With --ci the exit code is the verdict: ${exitCodes.ok} clean, ${exitCodes.changes} changes, ${exitCodes.dangerous} dangerous, ${exitCodes.settings} invalid.
`,
    )
    .action(async (options: Options) => {
      if (options.ci) return previewInCi(options);
      refuseWithoutCi(options);
      const layout = findLayout(process.cwd());
      const host = chooseHost(layout, options.host);
      const progress = startProgress();
      const changes = await preview(layout, host, options.refresh, progress);
      const changed = Object.entries(changes).filter(([op]) => op !== "same");
      progress(
        changed.length === 0
          ? `${host}: nothing would change`
          : `${host}: ${changed.map(([op, count]) => `${count} to ${op}`).join(", ")}`,
      );
      if (options.json) process.stdout.write(`${JSON.stringify({ ok: true, stack: host, changes })}\n`);
    });
}

function refuseWithoutCi(options: Options): void {
  const given = (["stack", "all", "format", "base", "state"] as const).filter((key) => options[key] !== undefined);
  if (given.length === 0) return;
  throw new UserError(`--${given.join(" and --")} can only be used with --ci.`, { exitCode: exitCodes.usage });
}

/** @returns resources by operation */
export async function preview(
  layout: Layout,
  host: string,
  refresh: boolean,
  progress: Progress,
): Promise<Record<string, number>> {
  // Automation passes --refresh on, but never --refresh=false; the engine reads each of its options from the environment too.
  const asked: Record<string, string> = refresh ? {} : { PULUMI_OPTION_REFRESH: "false" };
  const stack = await openStack(layout, host, await engineOrSetUp(progress), asked);
  const { changeSummary } = await runEngine(host, "preview", progress, (options) => stack.preview(options));
  return Object.fromEntries(Object.entries(changeSummary).map(([op, count]) => [op, count ?? 0]));
}
