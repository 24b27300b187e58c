import { Command } from "commander";
import { findLayout, type Layout } from "../core/local/layout.ts";
import { chooseHost } from "./_choose.ts";
import { engineOrSetUp } from "./_engine.ts";
import { type Progress, startProgress } from "./_progress.ts";
import { runEngine } from "./_run-engine.ts";
import { openStack } from "./_stack.ts";

/** `clawdlets preview`: what `up` would do. Changes nothing. */
export function previewCommand(): Command {
  return new Command("preview")
    .description("show what `up` would do; changes nothing")
    .option("--host <name>", "the host; left out: the only one")
    .option("--no-refresh", "believe the state and ask Hetzner nothing: no requests at all")
    .option("--json", "one JSON object on stdout")
    .addHelpText(
      "after",
      "\nExamples:\n  clawdlets preview --host web-1\n  clawdlets preview --host web-1 --no-refresh --json\n",
    )
    .action(async (options: { host?: string; refresh: boolean; json?: boolean }) => {
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
