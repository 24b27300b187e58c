/** The sums in go.sum of the modules that the package carries, from which users build the engine. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import { projectRoot } from "./api-reference.ts";

/** What is built from each module. */
const built: Readonly<Record<string, readonly string[]>> = {
  toolchain: [
    "./...",
    "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi",
    "github.com/getsops/sops/v3/cmd/sops",
    "filippo.io/age/cmd/age",
    "filippo.io/age/cmd/age-keygen",
  ],
  "toolchain/bridge": ["./..."],
};

const systems = ["linux", "darwin"];

/**
 * Leaves only the sums that a build on Linux or macOS reads. `go mod tidy` also writes those of what only the tests of some dependency
 * need: nine tenths of the file, and a fifth of the package.
 */
export async function trimSums(folder: string): Promise<void> {
  if (!built[folder]) return;
  writeFileSync(join(projectRoot, folder, "go.sum"), "");
  for (const system of systems) await list(folder, system, "mod");
}

/** @returns what Go says of sums that are missing, a line each */
export async function missingSums(folder: string): Promise<string[]> {
  const said = await Promise.all(systems.map((system) => list(folder, system, "readonly")));
  return said.flatMap((text) => text.split("\n").filter((line) => line.includes("go.sum")));
}

/** With `-e`, since the bridge embeds files that only its build makes. */
async function list(folder: string, system: string, mode: "mod" | "readonly"): Promise<string> {
  const args = ["list", "-e", "-deps", `-mod=${mode}`, "-f", "{{with .Error}}{{.}}{{end}}", ...(built[folder] ?? [])];
  const env = { GOOS: system, GOFLAGS: "", GOWORK: "off" };
  const { all } = await execa("go", args, { cwd: join(projectRoot, folder), env, all: true });
  return all;
}
