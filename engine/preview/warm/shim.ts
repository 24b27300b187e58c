import { copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** Environment variable of the engine: the folder with the pipes of the worker that serves the pack for it. */
export const pipesVariable = "CLAWDLETS_POLICY_PIPES";

/**
 * What the engine starts as the policy pack, if a worker serves it: it prints the worker's port. Starting Node and loading the pack would
 * take each stack a second.
 * @param pack the pack's own folder
 * @returns the executable to give to `--policy-pack`; the engine reads what the pack is from the PulumiPolicy.yaml beside it
 */
export function writeShim(pack: string, into: string): string {
  mkdirSync(into, { recursive: true });
  copyFileSync(join(pack, "PulumiPolicy.yaml"), join(into, "PulumiPolicy.yaml"));
  const file = join(into, "pack");
  // The engine ends it; 600 seconds are longer than any preview may take.
  const script = `#!/bin/sh\necho > "$${pipesVariable}/asks" && cat "$${pipesVariable}/answers" && exec sleep 600\n`;
  writeFileSync(file, script, { mode: 0o755 });
  return file;
}
