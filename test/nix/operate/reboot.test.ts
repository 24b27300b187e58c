import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { execa } from "execa";
import { expect, it } from "vitest";
import { path } from "../../_debian.ts";
import { temporaryFolder } from "../../_project.ts";
import { repository } from "../../_repository.ts";

interface Host {
  start?: string;
  minutes?: number;
  now?: string;
  /** Parts of the booted system that are not the current one's. */
  other?: string[];
  phase?: string;
  next?: "current" | "another";
}

/** nix/host/reboot.sh on a host in a folder, whose systemctl only notes. */
async function reboot({ start = "03:30", minutes = 60, now = "03:31", other = [], phase, next = "current" }: Host) {
  const folder = temporaryFolder();
  for (const system of ["booted", "current", "another"]) {
    mkdirSync(join(folder, system));
    for (const part of ["kernel", "initrd", "kernel-modules"]) {
      const target = join(folder, system === "booted" && other.includes(part) ? `old-${part}` : part);
      if (system !== "another") symlinkSync(target, join(folder, system, part));
    }
  }
  symlinkSync(join(folder, next), join(folder, "profile"));
  if (phase !== undefined) writeFileSync(join(folder, "state.json"), `{"phase": "${phase}", "id": "x"}\n`);
  mkdirSync(join(folder, "bin"));
  writeFileSync(join(folder, "bin", "systemctl"), '#!/bin/sh\necho "systemctl $*"\n', { mode: 0o755 });
  const env = {
    PATH: [join(folder, "bin"), path].join(delimiter),
    START: start,
    MINUTES: String(minutes),
    NOW: now,
    STATE: join(folder, "state.json"),
    BOOTED: join(folder, "booted"),
    CURRENT: join(folder, "current"),
    PROFILE: join(folder, "profile"),
  };
  const script = join(repository, "nix/host/reboot.sh");
  const { stdout, stderr, exitCode } = await execa("bash", [script], { env, extendEnv: false, reject: false });
  return { reboots: stdout === "systemctl reboot", exitCode, said: stderr };
}

it.each<[string, Host, boolean, RegExp]>([
  ["another kernel is current", { other: ["kernel"] }, true, /rebooting: another kernel is current/],
  ["another initrd is current", { other: ["initrd"] }, true, /rebooting/],
  ["other modules are current", { other: ["kernel-modules"], phase: "done" }, true, /rebooting/],
  ["the current kernel runs", {}, false, /the current kernel runs/],
  ["a change is not confirmed", { other: ["kernel"], phase: "waiting" }, false, /not confirmed yet/],
  ["the next boot would start another system", { other: ["kernel"], next: "another" }, false, /another system/],
])("when %s", async (_, host, reboots, words) => {
  const seen = await reboot(host);
  expect(seen.said).toMatch(words);
  expect(seen.reboots).toBe(reboots);
});

it.each([
  ["03:30", 60, "03:29", false],
  ["03:30", 60, "03:30", true],
  ["03:30", 60, "04:29", true],
  ["03:30", 60, "04:30", false],
  ["08:08", 1, "08:08", true],
  ["08:08", 1, "08:09", false],
  ["23:30", 60, "00:29", true],
  ["23:30", 60, "00:30", false],
  ["23:30", 60, "23:29", false],
])("a window from %s for %i minutes holds %s: %s", async (start, minutes, now, reboots) => {
  expect((await reboot({ start, minutes, now, other: ["kernel"] })).reboots).toBe(reboots);
});
