import { copyFileSync, cpSync, mkdirSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { build } from "esbuild";
import { execa } from "execa";
import type { Engine, Tofu } from "../../../toolchain/index.ts";

/** What is timed, in the order of a host's life. `change`: one rule of one firewall. */
export const steps = ["create", "no change", "no change, refreshed", "change", "destroy"] as const;
export type Step = (typeof steps)[number];

export const contestantNames = { ours: "clawdlets' engine", tofu: "OpenTofu" } as const;
export type ContestantName = (typeof contestantNames)[keyof typeof contestantNames];

/** One way to make the same servers. */
export interface Contestant {
  name: ContestantName;
  /** Makes the folder ready, untimed: what a clone has done once. */
  prepare: (variables: string) => Promise<void>;
  command: (step: Step) => [string, string[]];
  folder: string;
  env: Record<string, string>;
  stateBytes: () => number;
}

const repository = resolve(import.meta.dirname, "../../..");
const variablesFile = "bench.auto.tfvars.json";
/** OpenTofu's default parallelism. */
const parallel = "10";

export interface Place {
  folder: string;
  endpoint: string;
  token: string;
}

/** What both are given, and nothing of this shell but where programs are. */
function environment({ folder, endpoint, token }: Place): Record<string, string> {
  return { PATH: process.env["PATH"] ?? "", HOME: folder, HCLOUD_ENDPOINT: endpoint, HCLOUD_TOKEN: token };
}

export function tofuContestant({ tofu, config }: Tofu, place: Place): Contestant {
  const folder = join(place.folder, "tofu");
  const env = { ...environment(place), TF_CLI_CONFIG_FILE: config, TF_IN_AUTOMATION: "1" };
  const plain = ["-input=false", "-no-color"];
  const apply = ["apply", "-auto-approve", `-parallelism=${parallel}`, ...plain];
  const commands: Record<Step, string[]> = {
    create: apply,
    "no change": ["plan", "-refresh=false", ...plain],
    "no change, refreshed": ["plan", `-parallelism=${parallel}`, ...plain],
    change: apply,
    destroy: ["destroy", "-auto-approve", `-parallelism=${parallel}`, ...plain],
  };
  return {
    name: contestantNames.tofu,
    folder,
    env,
    async prepare(variables) {
      mkdirSync(folder, { recursive: true });
      copyFileSync(join(repository, "test/bench/infra/main.tf"), join(folder, "main.tf"));
      writeFileSync(join(folder, variablesFile), variables);
      await execa(tofu, ["init", ...plain], { cwd: folder, env, extendEnv: false });
    },
    command: (step) => [tofu, commands[step]],
    stateBytes: () => statSync(join(folder, "terraform.tfstate")).size,
  };
}

export function ourContestant(engine: Engine, place: Place): Contestant {
  const folder = join(place.folder, "ours");
  const env = {
    ...environment(place),
    PATH: `${engine.binDir}:${process.env["PATH"] ?? ""}`,
    PULUMI_HOME: engine.pulumiHome,
    PULUMI_CONFIG_PASSPHRASE: "bench",
    PULUMI_SKIP_UPDATE_CHECK: "true",
    PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION: String(engine.origin === "built"),
  };
  const plain = ["--non-interactive", "--color=never", "--suppress-progress", "--stack", "bench"];
  const up = ["up", "--yes", "--skip-preview", `--parallel=${parallel}`, ...plain];
  const commands: Record<Step, string[]> = {
    create: up,
    "no change": ["preview", "--refresh=false", ...plain],
    "no change, refreshed": ["preview", "--refresh", `--parallel=${parallel}`, ...plain],
    // OpenTofu's apply asks for everything first, and ours does by Pulumi.yaml.
    change: [...up, "--refresh"],
    destroy: ["destroy", "--yes", "--skip-preview", "--refresh", `--parallel=${parallel}`, ...plain],
  };
  return {
    name: contestantNames.ours,
    folder,
    env,
    async prepare(variables) {
      mkdirSync(join(folder, "state"), { recursive: true });
      symlinkSync(join(repository, "node_modules"), join(folder, "node_modules"));
      cpSync(join(repository, "bin", "compiled", "late-modules.cjs"), join(folder, "late-modules.cjs"));
      await build({
        entryPoints: [join(repository, "test/bench/infra/index.ts")],
        outfile: join(folder, "index.mjs"),
        bundle: true,
        platform: "node",
        format: "esm",
        external: ["@pulumi/*"],
      });
      writeFileSync(join(folder, "package.json"), '{ "type": "module" }');
      writeFileSync(join(folder, "Pulumi.yaml"), projectFile(folder));
      writeFileSync(join(folder, variablesFile), variables);
      await execa(engine.pulumi, ["stack", "init", "bench", "--non-interactive"], {
        cwd: folder,
        env,
        extendEnv: false,
      });
    },
    command: (step) => [engine.pulumi, commands[step]],
    stateBytes: () => statSync(join(folder, "state/.pulumi/stacks/bench/bench.json")).size,
  };
}

function projectFile(folder: string): string {
  return JSON.stringify({
    name: "bench",
    main: "index.mjs",
    runtime: { name: "nodejs", options: { typescript: false, nodeargs: "--require ./late-modules.cjs" } },
    backend: { url: `file://${folder}/state` },
  });
}
