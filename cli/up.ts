import { Command } from "commander";
import { UserError } from "../core/errors.ts";
import { findLayout, type Layout } from "../core/local/layout.ts";
import { loadHost } from "../core/settings/host.ts";
import { engineOrSetUp } from "./_engine.ts";
import { type Progress, showEvents, startProgress } from "./_progress.ts";
import { staying } from "./_signals.ts";
import { chooseHost, openStack } from "./_stack.ts";

export interface UpResult {
  ok: true;
  stack: string;
  /** Resources by operation: `{same: 9}` when there was nothing to do. */
  changes: Record<string, number>;
  outputs: Record<string, unknown>;
  seconds: number;
}

/** `clawdlets up`: from settings to a locked-down host. */
export function upCommand(): Command {
  return new Command("up")
    .description("create or update a host: settings, keys and secrets are checked before anything is bought")
    .option("--host <name>", "the host; left out: the only one")
    .option("--json", "one JSON object on stdout")
    .addHelpText(
      "after",
      "\nExamples:\n  clawdlets up --host web-1\n  clawdlets up --host web-1 --json | jq .outputs.ipv4\n",
    )
    .action(async (options: { host?: string; json?: boolean }) => {
      const layout = findLayout(process.cwd());
      const progress = startProgress();
      const result = await up(layout, chooseHost(layout, options.host), progress);
      if (options.json) process.stdout.write(`${JSON.stringify(result)}\n`);
    });
}

/** @throws SettingsError before anything is changed; UserError with the engine's own reason afterwards */
export async function up(layout: Layout, host: string, progress: Progress): Promise<UpResult> {
  loadHost(layout, host, process.env);
  const engine = await engineOrSetUp(progress);
  const stack = await openStack(layout, host, engine);
  const errors: string[] = [];
  const show = showEvents(progress);
  const startedAt = Date.now();
  try {
    const { summary, outputs } = await staying(progress, (signal) =>
      stack.up({
        signal,
        onEvent(event) {
          show(event);
          if (event.diagnosticEvent?.severity === "error") errors.push(event.diagnosticEvent.message);
        },
        color: "never",
      }),
    );
    const changes = Object.fromEntries(
      Object.entries(summary.resourceChanges ?? {}).map(([op, count]) => [op, count ?? 0]),
    );
    const changed = Object.entries(changes).filter(([op]) => op !== "same");
    progress(changed.length === 0 ? `${host}: nothing to do, everything is as declared` : `${host}: done`);
    const seconds = (Date.now() - startedAt) / 1000;
    const plain = Object.entries(outputs).map(([name, { value, secret }]) => [
      name,
      secret ? "[secret]" : (value as unknown),
    ]);
    return { ok: true, stack: host, changes, outputs: Object.fromEntries(plain), seconds };
  } catch (error) {
    throw engineFailure(host, "up", errors, error);
  }
}

/** The engine's error in one line, without the command line and environment that the library's own error repeats. */
export function engineFailure(host: string, command: string, errors: readonly string[], error: unknown): UserError {
  const said =
    errors.length > 0
      ? "The reason stands above."
      : String(error instanceof Error ? error.message : error)
          .split("\n")
          .slice(0, 12)
          .join("\n");
  return new UserError(
    `${host}: ${command} failed. ${said} Nothing more was done; once it is mended, run the same command again.`,
  );
}
