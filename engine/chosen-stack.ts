import { createHash } from "node:crypto";
import { existsSync, readFileSync, realpathSync } from "node:fs";
import { join } from "node:path";
import type { Layout } from "../core/project/layout.ts";
import { configNamespace } from "../core/project/settings/stack-config/stack-config.ts";
import type { Engine } from "../toolchain/index.ts";

/**
 * Whether the engine would do nothing if it were asked to select the stack: it is there, and it is the one that a plain
 * `pulumi preview` takes. Asking takes 0.12 s of each command. Where it keeps its choice, and under which name, is read off
 * pkg/workspace/workspace.go and settings.go of 3.276.0; anything that is not so is a no, and it is asked.
 */
export function isChosen(layout: Layout, host: string, engine: Engine): boolean {
  if (!existsSync(join(layout.state, ".pulumi", "stacks", configNamespace, `${host}.json`))) return false;
  const project = createHash("sha1")
    .update(join(realpathSync(layout.root), "Pulumi.yaml"))
    .digest("hex");
  const file = join(engine.pulumiHome, "workspaces", `${configNamespace}-${project}-workspace.json`);
  if (!existsSync(file)) return false;
  try {
    const { stacks } = JSON.parse(readFileSync(file, "utf8")) as { stacks?: Record<string, unknown> };
    return stacks?.["file://.clawdlets/state"] === `organization/${configNamespace}/${host}`;
  } catch {
    return false; // Half written by another run: the engine reads it again.
  }
}
