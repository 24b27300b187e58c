import { cpSync, existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { execa, type Options } from "execa";
import { ensureSshKey } from "../../core/base/machine/ssh-keys.ts";
import { type Emulator, startEmulator } from "../../emulator/index.ts";
import { repository } from "../_repository.ts";
import { installPacked } from "../package/_tarball.ts";
import { namedParts } from "../toolchain/_named-parts.ts";

export const examplesFolder = join(repository, "examples");
export const examples = readdirSync(examplesFolder, { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map(({ name }) => name);

/** One example in a folder of its own, installed from the packed tarball, with an emulated Hetzner. */
export interface Example {
  folder: string;
  emulator: Emulator;
  /** A command line as a person would type it there, after `eval "$(npx --no-install clawdlets env)"`. */
  shell: (line: string, options?: Options) => Promise<{ exitCode?: number | undefined; all: string; stdout: string }>;
  close: () => Promise<void>;
}

/** What the shell of the test may hand on: nothing of this machine's account, engine or state. */
const bare = {
  PATH: process.env["PATH"] ?? "",
  HOME: process.env["HOME"] ?? "",
  // An engine without keys for a bucket would ask the machine's cloud for some.
  AWS_EC2_METADATA_DISABLED: "true",
  ...namedParts(),
};

/** Puts an example into `folder`, with the packed tarball and what it declares to need beside it, and nothing else. */
export async function installExample(name: string, folder: string): Promise<void> {
  cpSync(join(examplesFolder, name), folder, { recursive: true });
  const { dependencies, devDependencies } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  const wanted = Object.keys({ ...dependencies, ...devDependencies }).filter((each) => each !== "@clawdlets/infra");
  await installPacked(folder, wanted);
}

/** Does what docs/compose.md says to do first, for each of the hosts. */
export async function prepareExample(name: string, parent: string, hosts: readonly string[]): Promise<Example> {
  const folder = join(parent, "project");
  await installExample(name, folder);
  const emulator = await startEmulator({ data: join(parent, "emulator") });
  const shell: Example["shell"] = async (line, options = {}) => {
    const result = await execa("bash", ["--norc", "-euo", "pipefail", "-c", line], {
      ...options,
      cwd: folder,
      env: { ...bare, ...(options.env as Record<string, string>) },
      extendEnv: false,
      reject: false,
      all: true,
    });
    return { exitCode: result.exitCode, all: String(result.all), stdout: String(result.stdout) };
  };
  const key = join(parent, "operator");
  await ensureSshKey(key, "operator");
  await must(shell("git init --quiet --initial-branch=main"));
  for (const host of hosts) {
    const secrets = {
      admin_password_hash: `$6$examplesalt$${"a".repeat(86)}`,
      tailscale_auth_key: `tskey-auth-${"0".repeat(16)}`,
    };
    const init = `npx --no-install clawdlets init --host ${host} --admin-cidr 127.0.0.1/32 --ssh-pubkey ${key}.pub --from-json -`;
    await must(shell(init, { input: JSON.stringify(secrets) }));
  }
  const standIns = join(folder, "node_modules/@clawdlets/infra/emulator/stand-ins");
  const variables = {
    HCLOUD_TOKEN: emulator.token,
    HCLOUD_ENDPOINT: emulator.endpoint,
    CLAWDLETS_SSH_PORT: String(emulator.sshPort),
    CLAWDLETS_NIXOS_ANYWHERE: join(standIns, "nixos-anywhere"),
    CLAWDLETS_TAILSCALE: join(standIns, "tailscale"),
  };
  const lines = Object.entries(variables).map(([variable, value]) => `${variable}="${value}"\n`);
  if (existsSync(join(folder, ".clawdlets")))
    writeFileSync(join(folder, ".clawdlets", ".env"), lines.join(""), { mode: 0o600 });
  await must(
    shell('git add --all && git -c user.name=example -c user.email=example@example.invalid commit --quiet -m "hosts"'),
  );
  return { folder, emulator, shell, close: () => emulator.close() };
}

/** @throws Error with all that was said */
export async function must(command: ReturnType<Example["shell"]>): Promise<string> {
  const { exitCode, all, stdout } = await command;
  if (exitCode !== 0) throw new Error(`exit code ${exitCode}:\n${all}`);
  return stdout;
}

/** Before every line with pulumi in it, as the docs say. */
export const withEngine = (line: string) => `eval "$(npx --no-install clawdlets env)" && ${line}`;
