import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import { SettingsError, UserError } from "../core/base/errors.ts";
import { exitCodes } from "../core/base/exit-codes.ts";
import {
  cleanEnvironment,
  type Environment,
  inheritedBy,
  noRepository,
  ownEnvironment,
} from "../core/base/machine/environment.ts";
import { engineFolder, packageRoot } from "../core/base/machine/package-root.ts";
import { makePrivateFolder, readPrivateFile } from "../core/base/machine/private-files.ts";
import type { Problem } from "../core/base/problem.ts";
import { quoted } from "../core/base/wording.ts";
import { keepCopy } from "../core/project/copies/keep.ts";
import type { Layout } from "../core/project/layout.ts";
import { fileDecides, fileOnlyKeys, readEnvFile } from "../core/project/settings/env-file.ts";
import { readStackJson } from "../core/project/settings/stack-json/stack-json.ts";
import { lostPassphrase } from "../core/project/state/passphrase.ts";
import { readProjectFile } from "../core/project/state/project-file.ts";
import { cacheFolder, type Engine, ensureEngine, ToolchainError } from "../toolchain/index.ts";
import { findEngine, withParts } from "./find-engine.ts";
import type { Progress } from "./progress/progress.ts";
import { showSetUp } from "./progress/set-up.ts";

export { packageRoot } from "../core/base/machine/package-root.ts";

/** The engine lives in its `.toolchain`. */
export const engineRoot = engineFolder(packageRoot);

/** The engine, set up first if it has to be. */
export async function engineOrSetUp(progress: Progress): Promise<Engine> {
  try {
    const found = findEngine(engineRoot);
    if (found) return found;
    const made = await ensureEngine({
      root: engineRoot,
      sources: join(packageRoot, "toolchain"),
      report: showSetUp(progress),
      origin: ownEnvironment()["CLAWDLETS_ENGINE"],
      cache: cacheFolder(ownEnvironment()),
    });
    return withParts(engineRoot, made, ownEnvironment());
  } catch (error) {
    if (error instanceof ToolchainError)
      throw new UserError(error.message, { exitCode: exitCodes.engine, cause: error });
    throw error;
  }
}

/** For programs of others, by tsx: no cache in /tmp, where another user may have made it (bin/compiled/tsx.cjs). */
export const nothingShared = { TSX_DISABLE_CACHE: "1", NODE_DISABLE_COMPILE_CACHE: "1" };

/**
 * All that the engine, its plugins and our own commands inside it get to see; tokens included. Made from a list: another project's
 * PULUMI_* in this shell would send it to another state, with another passphrase.
 */
export function engineEnvironment(layout: Layout, engine: Engine): Record<string, string> {
  return {
    ...cleanEnvironment(),
    ...inheritedBy((key) => handedOn.test(key) || (isOfBackend.test(key) && !readProjectFile(layout).hasLocalState)),
    ...ofOurs(layout, engine),
    // The engine runs `git status`, which would start `core.fsmonitor` and filters of the repository with all of this.
    GIT_DIR: noRepository,
    PATH: pathOf(engine),
    ...tokensOf(layout, ownEnvironment()),
  };
}

/**
 * What of it a shell needs that runs `pulumi` itself, in which everything else stands already. What the shell says of the settings
 * that the file decides is not asked: `clawdlets env` unsets it.
 */
export function shellEnvironment(layout: Layout, engine: Engine): Record<string, string> {
  const kept = Object.entries(ownEnvironment()).filter(([key]) => !fileDecides.some((each) => each === key));
  return { PATH: pathOf(engine), ...ofOurs(layout, engine), ...tokensOf(layout, Object.fromEntries(kept)) };
}

const pathOf = (engine: Engine) =>
  [join(packageRoot, "bin"), engine.binDir, ownEnvironment()["PATH"] ?? ""].join(delimiter);

const ofOurs = (layout: Layout, engine: Engine) => ({
  PULUMI_HOME: engine.pulumiHome,
  PULUMI_CONFIG_PASSPHRASE_FILE: layout.passphrase,
  PULUMI_SKIP_UPDATE_CHECK: "true",
  ...nothingShared,
  PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION: engine.origin === "built" ? "true" : "false",
  // With http_proxy in the shell, grpc-js would ask the proxy for the program's connection to the engine (pulumi/pulumi#2651).
  no_grpc_proxy: "localhost,127.0.0.1,::1",
});

/** What our own commands inside the engine ask this shell for: an operator's key may be in an agent. */
const handedOn = /^SSH_AUTH_SOCK$/;

/** How a state that is not kept here is reached. */
const isOfBackend = /^(AWS|AZURE|ARM|GOOGLE|GCLOUD)_|^PULUMI_(BACKEND_URL|ACCESS_TOKEN)$/;

/** What the engine would take from a shell before anything that this project says. */
export const foreignKeys = [
  "PULUMI_CONFIG_PASSPHRASE",
  "PULUMI_BACKEND_URL",
  "PULUMI_ACCESS_TOKEN",
  "PULUMI_CONFIG",
] as const;

/**
 * A backend that this shell names and Pulumi.yaml does not: the engine would take it, and find nothing where the state is
 * somewhere else. Ignoring it silently would be wrong if it was set on purpose.
 */
export function foreignBackend(layout: Layout, environment: Environment): Problem | undefined {
  const given = environment["PULUMI_BACKEND_URL"]?.trim();
  const { backend } = readProjectFile(layout);
  if (!given || backend === undefined || given === backend) return undefined;
  return {
    code: "foreign-backend",
    subject: "the environment",
    setting: "PULUMI_BACKEND_URL",
    problem: `is ${quoted(given)} in this shell, but Pulumi.yaml keeps this project's state in ${quoted(backend)}.`,
    fix: "Unset it: unset PULUMI_BACKEND_URL",
  };
}

/**
 * Without what is read from the file alone, where it is needed.
 * @throws SettingsError for what must not be used: the engine sends the token wherever HCLOUD_ENDPOINT says
 */
function tokensOf(layout: Layout, environment: Environment): Record<string, string> {
  const stackJson = readStackJson(layout);
  const { value, problems } = readEnvFile(layout, environment, stackJson.value?.envFile);
  if (problems.length > 0) throw new SettingsError(problems);
  const withheld: readonly string[] = [...fileOnlyKeys, "CLAWDLETS_KEY_COPY"];
  return Object.fromEntries(Object.entries(value).filter(([key]) => !withheld.includes(key)));
}

/**
 * The engine's backend folder has to exist, and its passphrase too; what cannot be made again is copied first.
 * @throws UserError that says how to make them
 */
export function prepareState(layout: Layout, host: string): void {
  const foreign = foreignBackend(layout, ownEnvironment());
  if (foreign) throw new SettingsError([foreign]);
  const lost = lostPassphrase(layout, host);
  if (lost) throw new SettingsError([lost]);
  if (readPrivateFile(layout.passphrase) === undefined || !existsSync(layout.dir)) {
    throw new UserError(
      {
        subject: "",
        problem: `No ${layout.passphrase}: this project has no local state yet.`,
        fix: `Create it: clawdlets init --host ${host}; or restore the one that was here: clawdlets secrets restore`,
      },
      {
        exitCode: exitCodes.settings,
      },
    );
  }
  keepCopy(layout);
  makePrivateFolder(layout.state);
}
