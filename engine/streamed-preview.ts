import type { EngineEvent } from "@pulumi/pulumi/automation/index.js";
import { execa } from "execa";
import type { Layout } from "../core/project/layout.ts";
import type { Engine } from "../toolchain/index.ts";
import { engineEnvironment } from "./environment.ts";
import type { EngineOptions } from "./run.ts";

export interface StreamedPreview {
  layout: Layout;
  host: string;
  engine: Engine;
  refresh: boolean;
}

/**
 * A preview by the engine's own command, whose events come as lines on its standard output. The same events as from the
 * automation library, without the library and its gRPC server: 0.13 s of each command.
 * @returns resources by operation
 * @throws Error with the engine's last words, for `runEngine` to tell
 */
export async function streamPreview(
  { layout, host, engine, refresh }: StreamedPreview,
  { signal, onEvent }: EngineOptions,
): Promise<{ changeSummary: Record<string, number> }> {
  const args = ["preview", "--json", "--non-interactive", "--color=never", "--stack", host];
  const running = execa(engine.pulumi, refresh ? args : [...args, "--refresh=false"], {
    cwd: layout.root,
    env: { ...engineEnvironment(layout, engine), PULUMI_ENABLE_STREAMING_JSON_PREVIEW: "true" },
    extendEnv: false,
    stdin: "ignore",
    buffer: { stdout: false },
    // A terminal tells the engine of Ctrl-C itself; what is asked beyond that is passed on as the library does.
    cancelSignal: signal,
    killSignal: "SIGINT",
    forceKillAfterDelay: false,
    reject: false,
  });
  let changeSummary: Record<string, number> | undefined;
  for await (const line of running) {
    const event = eventOf(line);
    if (event === undefined) continue;
    changeSummary = event.summaryEvent?.resourceChanges ?? changeSummary;
    onEvent(event);
  }
  const { exitCode, stderr } = await running;
  if (exitCode !== 0 || changeSummary === undefined) {
    throw new Error(stderr.trim() || `the engine ended with exit code ${exitCode ?? "none"} and without any output`);
  }
  return { changeSummary };
}

/** @returns undefined for a line that is not an event: the last line of an engine that was stopped while it wrote */
function eventOf(line: string): EngineEvent | undefined {
  if (!line.startsWith("{")) return undefined;
  try {
    return JSON.parse(line) as EngineEvent;
  } catch {
    return undefined;
  }
}
