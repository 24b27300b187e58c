import { dirname } from "node:path";
import { LocalWorkspace, PulumiCommand, Stack } from "@pulumi/pulumi/automation/index.js";
import type { Layout } from "../core/local/layout.ts";
import type { Engine } from "../toolchain/index.ts";
import { engineEnvironment, prepareState } from "./_engine.ts";

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
