import { UserError } from "../core/base/errors.ts";
import { exitCodes } from "../core/base/exit-codes.ts";
import { run } from "../core/base/machine/run.ts";
import type { Layout } from "../core/project/layout.ts";
import type { Engine } from "../toolchain/index.ts";
import { engineEnvironment } from "./environment.ts";

/**
 * Lifts the engine's own protection in a stack's state, in two minutes at most. Nothing at Hetzner changes.
 * @param urns these resources. @default all
 * @throws UserError with what the engine said if it could not
 */
export async function unprotect(
  layout: Layout,
  engine: Engine,
  stack: string,
  urns?: readonly string[],
): Promise<void> {
  for (const which of urns ?? ["--all"]) {
    const { exitCode, stderr, timedOut } = await run(
      engine.pulumi,
      ["state", "unprotect", which, "--yes", "--non-interactive", "--stack", stack],
      { cwd: layout.root, env: engineEnvironment(layout, engine), timeoutSeconds: 120 },
    );
    if (exitCode === 0) continue;
    const [, said] = /^error: (.+)$/m.exec(stderr) ?? [];
    const reason = timedOut ? "no answer in 2 minutes" : (said ?? stderr.trim());
    throw new UserError(
      {
        code: "engine",
        subject: stack,
        problem: `the engine could not lift the protection in its state: ${reason}. Nothing was deleted.`,
        fix: "Run the same command again.",
      },
      { exitCode: exitCodes.engine },
    );
  }
}
