import { existsSync, readFileSync, rmSync } from "node:fs";
import { execa } from "execa";
import type { Engine } from "../../toolchain/index.ts";
import { type Plan, planOf } from "./plan/plan.ts";
import type { Sandbox } from "./sandbox.ts";

/** One preview of one stack. */
export interface EngineRun {
  engine: Engine;
  stack: string;
  /** The project's folder. */
  folder: string;
  environment: Record<string, string>;
  /** Where the engine is to log its events; removed afterwards. */
  events: string;
  /** @default the project's own */
  stackFile?: string;
  pack?: { folder: string; settings: string | undefined };
  /** Address of the process that runs the program. Left out: the engine starts one. */
  client?: string;
  /** Left out: as Pulumi.yaml says. */
  refresh?: false;
  /** Only where there are none but placeholders. */
  showSecrets?: boolean;
  /** Left out: the program runs as this user, with all that this user can read. */
  sandbox?: Sandbox | undefined;
  signal: AbortSignal;
}

/** Longer than any preview; an engine that hangs must not hold up the others for ever. */
const timeoutSeconds = 300;

/** Runs the engine and hands back what it told. A failure is among the plan's errors, never an exception. */
export async function runPreview(request: EngineRun): Promise<Plan & { failed: boolean }> {
  const { engine, stack, folder, environment, events, stackFile, pack, client, refresh, showSecrets, sandbox, signal } =
    request;
  const args = [
    ...[
      "preview",
      "--non-interactive",
      "--color=never",
      "--suppress-progress",
      "--stack",
      stack,
      "--event-log",
      events,
    ],
    ...(stackFile === undefined ? [] : ["--config-file", stackFile]),
    ...(client === undefined ? [] : ["--client", client]),
    ...(pack === undefined ? [] : ["--policy-pack", pack.folder]),
    ...(pack?.settings === undefined ? [] : ["--policy-pack-config", pack.settings]),
    ...(refresh === undefined ? [] : [`--refresh=${refresh}`]),
    ...(showSecrets ? ["--show-secrets"] : []),
  ];
  const whole = [engine.pulumi, ...args];
  const [command = "", ...rest] = sandbox ? sandbox(whole) : whole;
  const result = await execa(command, rest, {
    cwd: folder,
    // With it the engine takes --event-log, as for its automation library.
    env: { ...environment, PULUMI_DEBUG_COMMANDS: "true" },
    extendEnv: false,
    reject: false,
    all: true,
    stdin: "ignore",
    timeout: timeoutSeconds * 1000,
    cancelSignal: signal,
    maxBuffer: 8 << 20,
  });
  if (signal.aborted) throw new DOMException("The preview was stopped.", "AbortError");
  const plan = planOf(existsSync(events) ? readFileSync(events, "utf8") : "");
  rmSync(events, { force: true });
  const failed = result.exitCode !== 0;
  const refused = plan.violations.some(({ mandatory }) => mandatory);
  // What the engine adds when a policy has refused something.
  if (refused) plan.errors = plan.errors.filter((error) => error !== "preview failed");
  if (result.timedOut) plan.errors.push(`the engine did not end within ${timeoutSeconds} s`);
  else if (failed && plan.errors.length === 0 && !refused) plan.errors.push(lastWords(result.all));
  return { ...plan, failed };
}

function lastWords(output: string): string {
  const lines = output.split("\n").filter((line) => line.trim() !== "");
  const errors = lines.filter((line) => /\berror:/.test(line));
  return (errors.length > 0 ? errors : lines.slice(-3)).join(" ").trim() || "the engine ended without any output";
}
