import { existsSync, mkdtempSync, readFileSync, rmdirSync } from "node:fs";
import { join } from "node:path";
import { describe, it, type TestContext } from "vitest";
import { areLanguagesBuilt, findTailnet, isTofuBuilt } from "../toolchain/index.ts";
import { isRoot, whereIs } from "./_debian.ts";
import { repository } from "./_repository.ts";

export interface Needs {
  programs: readonly string[];
  /** For namespaces, and to be other users. */
  root?: boolean;
  /** The real OpenTofu, which takes minutes to build: as it is here, and under CI built first (`_tofu.ts`). */
  tofu?: boolean;
  /** Real Tailscale and headscale, which take minutes to build: as they are here, and under CI built first (`nix/tailnet/_lab.ts`). */
  tailnet?: boolean;
  /** Pulumi's YAML host and the generator of SDKs: as they are here, and under CI built first. */
  languages?: boolean;
  /** For a systemd of its own: control groups that can be written, which a container rarely has. May be left out under CI. */
  cgroup?: boolean;
}

/**
 * `describe` for checks that need real programs. Where they cannot run, one entry of the report says which were left out
 * and why; under CI that entry fails, so that a runner without them is not taken for one that passed.
 */
export function describeWith(needs: Needs, name: string, checks: () => void): void {
  const reason = whyNot(needs);
  if (reason === undefined) {
    describe(name, checks);
    return;
  }
  describe(name, () => {
    it(`left out: ${reason}`, (context) => leaveOut(context, name, reason));
  });
}

/** Leaves a check out where it cannot run, and prints why. @throws Error under CI, where nothing may be left out */
export function leaveOut(context: TestContext, name: string, reason: string): void {
  if (isCi() && reason !== noControlGroups)
    throw new Error(`${name}: left out, as ${reason}. Under CI nothing may be left out.`);
  process.stderr.write(`left out: ${name}: ${reason}\n`);
  context.skip(reason);
}

/** @returns why the checks cannot run here, or undefined */
export function whyNot({
  programs,
  root = false,
  tofu = false,
  tailnet = false,
  languages = false,
  cgroup = false,
}: Needs): string | undefined {
  const missing = programs.filter((program) => whereIs(program) === undefined);
  if (missing.length > 0) return `there is no ${missing.join(", ")} on this machine`;
  if (root && !isRoot) return "it takes root";
  if (cgroup && !canMakeControlGroup()) return noControlGroups;
  const place = { root: repository, sources: join(repository, "toolchain") };
  if (tailnet && !existsSync("/dev/net/tun")) return "there is no /dev/net/tun";
  if (tailnet && !isCi() && findTailnet(place) === undefined) {
    return "Tailscale and headscale are not built here, which takes some minutes once: npm run toolchain -- --tailnet";
  }
  if (languages && !isCi() && !areLanguagesBuilt(place)) {
    return "Pulumi's YAML host is not built here, which takes some minutes once: npm run toolchain -- --languages";
  }
  if (!tofu || isCi() || isTofuBuilt(place)) return undefined;
  return "OpenTofu is not built here, which takes some minutes once: npm run toolchain -- --tofu";
}

const noControlGroups = "no cgroup2 hierarchy that can be written is mounted";

function canMakeControlGroup(): boolean {
  const root = cgroupRoot();
  if (root === undefined) return false;
  try {
    rmdirSync(mkdtempSync(join(root, "clawdlets-")));
    return true;
  } catch {
    return false; // Read-only, or not ours.
  }
}

/** Where the second version of control groups is mounted. */
export function cgroupRoot(): string | undefined {
  if (!existsSync("/proc/self/mountinfo")) return undefined;
  const lines = readFileSync("/proc/self/mountinfo", "utf8").split("\n");
  return lines.find((line) => line.includes(" - cgroup2 "))?.split(" ")[4];
}

const isCi = () => !["", "0", "false", undefined].includes(process.env["CI"]);
