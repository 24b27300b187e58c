import type { PulumiCommand, Stack } from "@pulumi/pulumi/automation/index.js";
import { execa } from "execa";
import { SemVer } from "semver";
import { messageOf, UserError } from "../core/base/errors.ts";
import { exitCodes } from "../core/base/exit-codes.ts";
import { closedEnvironment } from "../core/base/machine/environment.ts";
import type { Objection } from "../core/base/problem.ts";
import type { Layout } from "../core/project/layout.ts";
import { wrongPassphrase } from "../core/project/state/passphrase.ts";
import { readProjectFile } from "../core/project/state/project-file.ts";
import { type Engine, pins } from "../toolchain/index.ts";
import { isChosen } from "./chosen-stack.ts";
import { engineEnvironment, prepareState } from "./environment.ts";
import { ensureGoodState } from "./recovery/good-state.ts";

export interface OpenOptions {
  /** Environment variables beside the engine's own. */
  extra?: Readonly<Record<string, string>>;
  /** Told what is repaired of a state that a killed run left. */
  tell?: (text: string) => void;
}

/**
 * The host's stack in the engine, made if it is not there yet. A state that a killed run left half written is restored first,
 * and `isRestored` says so: what was made since is at Hetzner only.
 * @throws UserError if stacks are not hosts: a stack of this name would make the program's every host once more
 */
export async function openStack(
  layout: Layout,
  host: string,
  engine: Engine,
  options: OpenOptions = {},
): Promise<Stack & { isRestored: boolean }> {
  if (!readProjectFile(layout).stacksAreHosts) {
    throw new UserError(
      {
        subject: host,
        problem: `this project's stacks are not hosts (Pulumi.yaml has no "stackConfigDir: stacks"), so its own program decides.`,
        fix: `Use the engine directly: eval "$(npx --no-install clawdlets env)" && pulumi up`,
      },
      { exitCode: exitCodes.usage },
    );
  }
  return openAnyStack(layout, host, engine, options);
}

/** The same for a stack of any program. Check first that there is one of this name. */
export async function openAnyStack(
  layout: Layout,
  host: string,
  engine: Engine,
  { extra = {}, tell = () => undefined }: OpenOptions = {},
): Promise<Stack & { isRestored: boolean }> {
  prepareState(layout, host);
  const isRestored = await ensureGoodState(layout, host, tell);
  // Three hundred files, which help and a refusal need not wait for.
  const library = await import("@pulumi/pulumi/automation/index.js");
  const workspace = await library.LocalWorkspace.create({
    workDir: layout.root,
    pulumiHome: engine.pulumiHome,
    pulumiCommand: pinnedCommand(library, engine),
    envVars: closedEnvironment({ ...engineEnvironment(layout, engine), ...ofLibrary, ...extra }) as Record<
      string,
      string
    >,
  });
  if (isChosen(layout, host, engine)) workspace.selectStack = async () => undefined;
  const stack = await library.Stack.createOrSelect(host, workspace).catch((error: unknown) => {
    // The library repeats the command line, and the reason several times; e.g. a bucket that lets nobody in.
    const [reason] = /(?<=^error: ).+$/m.exec(messageOf(error)) ?? [];
    if (reason === undefined) throw error;
    const wrong: Objection = wrongPassphrase(host, reason) ?? { code: "engine", problem: reason };
    const problem = `the engine could not open the stack: ${wrong.problem}`;
    throw new UserError({ ...wrong, subject: host, problem }, { exitCode: exitCodes.engine });
  });
  const env = { ...engineEnvironment(layout, engine), ...extra };
  const ask = async (args: readonly string[], input?: string): Promise<string> => {
    const all = ["stack", ...args, "--stack", host, "--non-interactive", "--color", "never"];
    const options = {
      cwd: layout.root,
      env,
      extendEnv: false,
      timeout: 120_000,
      ...(input !== undefined && { input }),
    };
    return (await execa(engine.pulumi, all, options)).stdout;
  };
  // After each operation the library starts the engine three times more: for the outputs without secrets, for the outputs with secrets in
  // plain text, and for the summary of the history. The first is enough, and the events have the last: 0.4 s of processor time each.
  workspace.stackOutputs = async () => maskedOutputs(await ask(["output", "--json"]));
  stack.info = async () => undefined;
  // The library has secrets decrypted for an export, and writes them to a file below /tmp that everybody can read for an import.
  workspace.exportStack = async () => JSON.parse(await ask(["export"]));
  workspace.importStack = async (_, deployment) => void (await ask(["import"], JSON.stringify(deployment)));
  return Object.assign(stack, { isRestored });
}

/** A secret output is `[secret]`, here too: no command shows one. */
function maskedOutputs(text: string) {
  const outputs: Record<string, unknown> = JSON.parse(text);
  const entries = Object.entries(outputs).map(([key, value]) => [key, { value, secret: value === "[secret]" }]);
  return Object.fromEntries(entries) as Record<string, { value: unknown; secret: boolean }>;
}

/** The library sets this itself, for its option --event-log, but a value in our own environment would take it away again. */
const ofLibrary = { PULUMI_DEBUG_COMMANDS: "true" };

/**
 * The library's own way to make one runs `pulumi version`, which takes 0.12 s of each command, and would make a ~/.pulumi; the
 * version is pinned, and was asked when the engine was set up.
 */
function pinnedCommand(library: { PulumiCommand: { prototype: object } }, { pulumi }: Engine): PulumiCommand {
  const command: PulumiCommand = Object.create(library.PulumiCommand.prototype);
  return Object.assign(command, { command: pulumi, version: new SemVer(pins.pulumi) });
}
