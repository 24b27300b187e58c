/**
 * Real programs of Debian for the tests. As root on Debian whatever is missing is installed, before the first test (this is
 * vitest's globalSetup); elsewhere every check that needs one is left out, and said so with its reason.
 */
import { accessSync, constants, existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { execa } from "execa";
import packages from "./debian-packages.json" with { type: "json" };

/** sshd, visudo and others are in sbin, which PATH of an ordinary user does not have. */
export const path = [process.env["PATH"] ?? "", "/usr/sbin", "/sbin"].join(delimiter);

export const isRoot = process.getuid?.() === 0;

/** Full path of a program, or undefined. */
export function whereIs(program: string): string | undefined {
  return path
    .split(delimiter)
    .map((folder) => join(folder, program))
    .find((file) => {
      try {
        accessSync(file, constants.X_OK);
        return true;
      } catch {
        return false; // Not there, or not to be run: the next folder.
      }
    });
}

const isDebian = () =>
  existsSync("/etc/os-release") && /^ID(_LIKE)?=.*\bdebian\b/m.test(readFileSync("/etc/os-release", "utf8"));

/** @throws Error when apt-get fails, with what it said */
export default async function installMissing(): Promise<void> {
  const missing = packages.packages.filter(({ program }) => whereIs(program) === undefined).map(({ name }) => name);
  if (missing.length === 0 || !isRoot || !isDebian()) return;
  process.stdout.write(`apt-get install ${missing.join(" ")}\n`);
  await withoutStartingServices(async () => {
    await apt("update", "--quiet");
    await apt("install", "--yes", "--quiet", "--no-install-recommends", ...missing);
  });
}

async function apt(...args: string[]): Promise<void> {
  const env = { DEBIAN_FRONTEND: "noninteractive" };
  const { failed, all } = await execa("apt-get", ["-o", "DPkg::Lock::Timeout=300", ...args], {
    env,
    all: true,
    reject: false,
  });
  if (failed) throw new Error(`apt-get ${args.join(" ")} failed:\n${all}`);
}

/** A package of a server starts it, and an sshd on this machine is not what a test run is to leave behind. */
async function withoutStartingServices(work: () => Promise<void>): Promise<void> {
  const policy = "/usr/sbin/policy-rc.d"; // Asked by invoke-rc.d and deb-systemd-invoke: 101 is "no".
  if (existsSync(policy)) return await work();
  writeFileSync(policy, "#!/bin/sh\nexit 101\n", { mode: 0o755 });
  try {
    await work();
  } finally {
    rmSync(policy);
  }
}
