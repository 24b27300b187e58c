import { randomBytes } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { execa } from "execa";
import { type Document, isMap, visit } from "yaml";
import { UserError } from "../../core/base/errors.ts";
import { exitCodes } from "../../core/base/exit-codes.ts";
import { noRepository } from "../../core/base/machine/environment.ts";
import { parseYamlText } from "../../core/base/text/yaml-text.ts";
import { type Engine, keepFromLogging } from "../../toolchain/index.ts";
import { nothingShared, packageRoot } from "../environment.ts";
import type { CheckpointResource } from "./plan/materialise.ts";

/** A backend that is thrown away: a folder, and a passphrase that stands nowhere but in the engine's environment. */
export interface Backend {
  folder: string;
  project: string;
  environment: Record<string, string>;
  salt: string;
  /** An empty stack's checkpoint, as this engine writes it. */
  empty: Checkpoint;
}

interface Checkpoint {
  version: number;
  checkpoint: {
    stack: string;
    latest: { resources?: CheckpointResource[]; secrets_providers: { state: { salt: string } } };
  };
}

/** For the program and the policy pack, which are put together without our own start (bin/program.mjs, policy/start.cjs). */
const preloaded = ["plain-errors.cjs", "late-modules.cjs", "own-user.cjs"].map((name) =>
  join(packageRoot, "bin", "compiled", name),
);

/**
 * All that the engine and the program get to see: an allow-list, so that no token of this shell or CI job can be in it.
 * The provider wants a token of the right length, and an address; nobody listens at this one, and a preview asks nothing.
 */
export function bareEnvironment(engine: Engine, home: string): Record<string, string> {
  return {
    PATH: [engine.binDir, dirname(process.execPath), "/usr/local/bin", "/usr/bin", "/bin"].join(delimiter),
    HOME: home,
    LANG: "C.UTF-8",
    PULUMI_HOME: engine.pulumiHome,
    PULUMI_SKIP_UPDATE_CHECK: "true",
    ...nothingShared,
    GIT_DIR: noRepository,
    PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION: "true",
    NODE_OPTIONS: preloaded.map((file) => `--require=${JSON.stringify(file)}`).join(" "),
    HCLOUD_TOKEN: "x".repeat(64),
    HCLOUD_ENDPOINT: "http://127.0.0.1:9",
  };
}

/**
 * @param probe a stack's name, for the one stack that the engine makes itself
 * @param pulumiHome where the engine finds its plugins, and writes to
 */
export async function makeBackend(
  engine: Engine,
  folder: string,
  project: string,
  probe = "probe",
  pulumiHome = engine.pulumiHome,
): Promise<Backend> {
  const state = join(folder, "state");
  const home = join(folder, "home");
  const workDir = join(folder, "probe");
  for (const each of [state, home, workDir]) mkdirSync(each, { recursive: true, mode: 0o700 });
  keepFromLogging(pulumiHome);
  writeFileSync(join(workDir, "Pulumi.yaml"), JSON.stringify({ name: project, runtime: "nodejs" }));
  const environment = {
    ...bareEnvironment(engine, home),
    PULUMI_HOME: pulumiHome,
    PULUMI_BACKEND_URL: `file://${state}`,
    PULUMI_CONFIG_PASSPHRASE: randomBytes(24).toString("base64url"),
  };
  const options = {
    cwd: workDir,
    env: environment,
    extendEnv: false,
    reject: false,
    all: true,
    stdin: "ignore",
  } as const;
  const { exitCode, all } = await execa(engine.pulumi, ["stack", "init", probe, "--non-interactive"], options);
  if (exitCode !== 0)
    throw new UserError(`The engine could not create a throwaway stack: ${all.trim()}`, { exitCode: exitCodes.engine });
  const empty: Checkpoint = JSON.parse(readFileSync(checkpointFile(state, project, probe), "utf8"));
  return { folder: state, project, environment, empty, salt: empty.checkpoint.latest.secrets_providers.state.salt };
}

const checkpointFile = (state: string, project: string, stack: string) =>
  join(state, ".pulumi", "stacks", project, `${stack}.json`);

/** Makes a stack without the engine's help, which would take a process and a key derivation each. */
export function writeStack(
  { folder, project, empty }: Backend,
  stack: string,
  resources: CheckpointResource[] = [],
): void {
  const { version, checkpoint } = empty;
  const latest = { ...checkpoint.latest, ...(resources.length > 0 && { resources }) };
  const text = JSON.stringify({ version, checkpoint: { stack: `organization/${project}/${stack}`, latest } });
  writeFileSync(checkpointFile(folder, project, stack), text);
}

/**
 * A stack file for the throwaway backend, beside the committed one, which keeps its salt: ours instead, and a placeholder
 * for every value that only the real passphrase opens.
 * @returns the keys of those values
 */
export function writeStackFile({ salt }: Backend, text: string, into: string): string[] {
  const document: Document | undefined = parseYamlText(text, "").document;
  const hidden: string[] = [];
  if (!document || !isMap(document.contents)) {
    writeFileSync(into, `encryptionsalt: ${salt}\n`);
    return hidden;
  }
  for (const key of ["secretsprovider", "encryptedkey"]) document.delete(key);
  document.set("encryptionsalt", salt);
  visit(document, {
    Pair(_, pair) {
      if (!isMap(pair.value) || pair.value.items.length !== 1 || !pair.value.has("secure")) return undefined;
      hidden.push(String(pair.key));
      pair.value = document.createNode("(encrypted, not readable here)");
      return visit.SKIP;
    },
  });
  writeFileSync(into, document.toString());
  return hidden;
}
