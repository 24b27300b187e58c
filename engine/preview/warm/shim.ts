import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { stringify } from "yaml";
import { parsePlainYaml } from "../../../core/base/text/plain-yaml.ts";

/** A "language" without a host of its own: for such a pack, the engine runs `pulumi-analyzer-policy-NAME`. */
const runtime = "clawdlets-warm";

/** Environment variable of the engine: the folder with the pipes of the worker that serves the pack for it. */
export const pipesVariable = "CLAWDLETS_POLICY_PIPES";

export interface Shim {
  /** The folder to give to `--policy-pack`. */
  pack: string;
  /** The folder to put on the engine's PATH. */
  bin: string;
}

/**
 * What the engine starts as the policy pack, if a worker serves it: it passes on what the engine says of the stack, and prints the
 * worker's port. Starting Node and loading the pack would take each stack a second.
 * @param pack the pack's own folder
 */
export function writeShim(pack: string, into: string): Shim {
  const [folder, bin] = [join(into, "pack"), join(into, "bin")];
  for (const each of [folder, bin]) mkdirSync(each, { recursive: true });
  const { document } = parsePlainYaml(readFileSync(join(pack, "PulumiPolicy.yaml"), "utf8"), "PulumiPolicy.yaml");
  writeFileSync(join(folder, "PulumiPolicy.yaml"), stringify({ ...document?.toJS(), runtime }));
  // The engine ends it; 600 seconds are longer than any preview may take.
  const script = `#!/bin/sh\nenv -0 > "$${pipesVariable}/asks" && cat "$${pipesVariable}/answers" && exec sleep 600\n`;
  writeFileSync(join(bin, `pulumi-analyzer-policy-${runtime}`), script, { mode: 0o755 });
  return { pack: folder, bin };
}
