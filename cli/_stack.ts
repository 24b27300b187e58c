import { dirname } from "node:path";
import { LocalWorkspace, PulumiCommand, Stack } from "@pulumi/pulumi/automation/index.js";
import { UserError } from "../core/errors.ts";
import { exitCodes } from "../core/exit-codes.ts";
import type { Layout } from "../core/local/layout.ts";
import { listStackFiles } from "../core/settings/stack-file.ts";
import type { Engine } from "../toolchain/index.ts";
import { engineEnvironment, prepareState } from "./_engine.ts";

/** The host a command is for: the one named, or the only one there is. */
export function chooseHost(layout: Layout, named: string | undefined): string {
  if (named !== undefined) return named;
  const hosts = listStackFiles(layout);
  const [only] = hosts;
  if (only !== undefined && hosts.length === 1) return only;
  const found = hosts.length === 0 ? "there is none yet (clawdlets init --host NAME)" : `there are ${hosts.join(", ")}`;
  throw new UserError(`Which host? Name it with --host; in ${layout.stacks} ${found}.`, { exitCode: exitCodes.usage });
}

/** The host's stack in the engine, made if it is not there yet. */
export async function openStack(
  layout: Layout,
  host: string,
  engine: Engine,
  extra: Readonly<Record<string, string>> = {},
): Promise<Stack> {
  prepareState(layout, host);
  // The library asks the engine for its version without the workspace's environment, which would make a ~/.pulumi.
  process.env["PULUMI_HOME"] = engine.pulumiHome;
  const workspace = await LocalWorkspace.create({
    workDir: layout.root,
    pulumiHome: engine.pulumiHome,
    pulumiCommand: await PulumiCommand.get({ root: dirname(engine.binDir) }),
    envVars: { ...engineEnvironment(layout, engine), ...extra },
  });
  return Stack.createOrSelect(host, workspace);
}
