/**
 * `npm run setup:debian`: installs the Debian packages whose real programs the tests run (test/debian-packages.json), as root on
 * Debian or Ubuntu. Without them those tests are left out, which CI does not accept.
 */
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { execa } from "execa";
import { isRoot, missingPackages } from "./_debian.ts";

const missing = missingPackages();
if (missing.length === 0) process.stdout.write("setup:debian: every package is installed\n");
else if (!isDebian()) fail(`this is not Debian or Ubuntu. Install what provides: ${missing.join(", ")}`);
else if (!isRoot) fail("apt-get needs root. Run: sudo npm run setup:debian");
else {
  process.stderr.write(`setup:debian: installing ${missing.join(" ")}\n`);
  if (missing.includes("cloud-init")) disableCloudInit();
  await withoutStartingServices(async () => {
    await apt("update", "--quiet");
    await apt("install", "--yes", "--quiet", "--no-install-recommends", ...missing);
  });
  process.stdout.write(`setup:debian: installed ${missing.join(" ")}\n`);
}

function fail(reason: string): void {
  process.stderr.write(`setup:debian: ${reason}\n`);
  process.exitCode = 4;
}

function isDebian(): boolean {
  return existsSync("/etc/os-release") && /^ID(_LIKE)?=.*\bdebian\b/m.test(readFileSync("/etc/os-release", "utf8"));
}

/** @throws Error when apt-get fails, with its output */
async function apt(...args: string[]): Promise<void> {
  const env = { DEBIAN_FRONTEND: "noninteractive" };
  const { failed, all } = await execa("apt-get", ["-o", "DPkg::Lock::Timeout=300", ...args], {
    env,
    all: true,
    reject: false,
  });
  if (failed) throw new Error(`apt-get ${args.join(" ")} failed:\n${all}`);
}

/** Once installed, it would set this machine up at its next boot as if it were new. See cloud-init's "How to disable cloud-init". */
function disableCloudInit(): void {
  mkdirSync("/etc/cloud", { recursive: true });
  writeFileSync("/etc/cloud/cloud-init.disabled", "Installed for the tests of clawdlets only.\n");
}

/** A server's package starts the server. A test run must not leave an sshd behind on this machine. */
async function withoutStartingServices(work: () => Promise<void>): Promise<void> {
  const policy = "/usr/sbin/policy-rc.d"; // Asked by invoke-rc.d and deb-systemd-invoke; 101 means no.
  if (existsSync(policy)) return await work();
  writeFileSync(policy, "#!/bin/sh\nexit 101\n", { mode: 0o755 });
  try {
    await work();
  } finally {
    rmSync(policy);
  }
}
