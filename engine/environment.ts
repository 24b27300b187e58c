import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import { SettingsError, UserError } from "../core/base/errors.ts";
import { exitCodes } from "../core/base/exit-codes.ts";
import { engineFolder, packageRoot } from "../core/base/machine/package-root.ts";
import { makePrivateFolder, readPrivateFile } from "../core/base/machine/private-files.ts";
import type { Layout } from "../core/project/layout.ts";
import { type LocalEnv, readEnvFile } from "../core/project/settings/env-file.ts";
import { readStackJson } from "../core/project/settings/stack-json.ts";
import { lostPassphrase } from "../core/project/state/passphrase.ts";
import { type Engine, ensureEngine, findEngine, ToolchainError, type ToolchainEvent } from "../toolchain/index.ts";

export { packageRoot } from "../core/base/machine/package-root.ts";

/** The engine lives in its `.toolchain`. */
export const engineRoot = engineFolder(packageRoot);

/** The engine, set up first if it has to be. */
export async function engineOrSetUp(tell: (text: string) => void): Promise<Engine> {
  const report = ({ kind, component, seconds }: ToolchainEvent) => {
    if (kind === "start") tell(`engine: setting up ${component}`);
    if (kind === "going") tell(`engine: ${component}, ${Math.round(seconds)} s so far`);
  };
  try {
    return (
      findEngine(engineRoot) ??
      (await ensureEngine({
        root: engineRoot,
        sources: join(packageRoot, "toolchain"),
        report,
        origin: process.env["CLAWDLETS_ENGINE"],
      }))
    );
  } catch (error) {
    if (error instanceof ToolchainError)
      throw new UserError(error.message, { exitCode: exitCodes.engine, cause: error });
    throw error;
  }
}

/** For programs of others, by tsx: no cache in /tmp, where another user may have made it (bin/compiled/tsx.cjs). */
export const nothingShared = { TSX_DISABLE_CACHE: "1", NODE_DISABLE_COMPILE_CACHE: "1" };

/** What the engine, its plugins and our own commands inside it need to find each other; tokens included. */
export function engineEnvironment(layout: Layout, engine: Engine): Record<string, string> {
  const path = [join(packageRoot, "bin"), engine.binDir, process.env["PATH"] ?? ""].join(delimiter);
  return {
    PATH: path,
    PULUMI_HOME: engine.pulumiHome,
    PULUMI_CONFIG_PASSPHRASE_FILE: layout.passphrase,
    PULUMI_SKIP_UPDATE_CHECK: "true",
    ...nothingShared,
    PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION: engine.origin === "built" ? "true" : "false",
    ...tokensOf(layout),
  };
}

/**
 * Without the path of the operator's age identity: nothing that the engine starts has business with it.
 * @throws SettingsError for what must not be used: the engine sends the token wherever HCLOUD_ENDPOINT says
 */
function tokensOf(layout: Layout): Omit<LocalEnv, "SOPS_AGE_KEY_FILE"> {
  const stackJson = readStackJson(layout);
  const { value, problems } = readEnvFile(layout, process.env, stackJson.value?.envFile);
  if (problems.length > 0) throw new SettingsError(problems);
  const { SOPS_AGE_KEY_FILE: _, ...tokens } = value;
  return tokens;
}

/** The engine's backend folder has to exist, and its passphrase too. @throws UserError that says how to make them */
export function prepareState(layout: Layout, host: string): void {
  const lost = lostPassphrase(layout, host);
  if (lost) throw new SettingsError([lost]);
  if (readPrivateFile(layout.passphrase) === undefined || !existsSync(layout.dir)) {
    throw new UserError(
      `No ${layout.passphrase}: this project has no local state yet. Make it: clawdlets init --host ${host}`,
      {
        exitCode: exitCodes.settings,
      },
    );
  }
  makePrivateFolder(layout.state);
}
