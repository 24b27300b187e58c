/**
 * A guard never gives up, so one whose Hetzner was an emulator that is gone, together with its project, would stay for ever. After
 * the last test those are ended, and no others: a guard of this checkout at real work has its log where it was.
 */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { resolve } from "node:path";

const program = resolve(import.meta.dirname, "..", "bin", "guard.mjs");

export function teardown(): void {
  if (process.platform !== "linux") return;
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    if (isLeft(pid)) process.kill(Number(pid), "SIGKILL");
  }
}

function isLeft(pid: string): boolean {
  try {
    const words = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
    return words.some((word) => word === program) && readlinkSync(`/proc/${pid}/fd/2`).endsWith(" (deleted)");
  } catch {
    return false; // It has ended meanwhile.
  }
}
