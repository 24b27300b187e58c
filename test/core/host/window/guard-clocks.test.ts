import { spawn } from "node:child_process";
import { closeSync, mkdirSync, openSync, readFileSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { createHetzner } from "../../../../core/base/hetzner/client.ts";
import { openWindow } from "../../../../core/host/window/open-window.ts";
import { findWindows, newRun } from "../../../../core/host/window/window.ts";
import { describeWith } from "../../../_needs.ts";
import { type Lab, newServer, startLab, until } from "../../../emulator/_lab.ts";

/** The real guard, a process of its own, whose machine's clocks jump while it waits. */
describeWith({ programs: ["faketime", "unshare", "mount"], root: true }, "the guard's process", () => {
  let lab: Lab;
  let serverId = 0;
  beforeAll(async () => {
    lab = await startLab();
    serverId = (await newServer(lab, "web-1")).id;
  });
  afterAll(() => lab.stop());

  /** Starts it by `wrapper`, in a folder for its clocks, and opens the window that it watches. */
  async function guardUnder(
    wrapper: (folder: string) => { command: string[]; env?: Record<string, string> },
    seconds: number,
  ) {
    const run = newRun();
    const folder = join(lab.dir, run);
    mkdirSync(folder);
    const { endpoint, token, sshPort } = lab.emulator;
    const { command, env } = wrapper(folder);
    const log = openSync(join(folder, "guard.log"), "w");
    const [program = "", ...args] = [...command, process.execPath, join(process.cwd(), "bin", "guard.mjs")];
    const child = spawn(program, args, {
      env: { PATH: process.env["PATH"] ?? "", HCLOUD_TOKEN: token, ...env },
      stdio: ["pipe", "pipe", log],
    });
    closeSync(log);
    const { stdin, stdout } = child;
    if (!stdin || !stdout) throw new Error("spawn made no pipes");
    const journal = join(folder, "windows.jsonl");
    const order = { host: "web-1", run, endpoint, serverId, sshPort, deadlineSeconds: seconds, journal };
    stdin.write(`${JSON.stringify(order)}\n`);
    await new Promise((resolve) => stdout.once("data", resolve));
    const hetzner = createHetzner(lab.emulator);
    await openWindow(hetzner, { host: "web-1", serverId, installId: "none", run, adminCidrs: ["203.0.113.7/32"] });
    return {
      folder,
      isOpen: async () => (await findWindows(hetzner, "web-1", run)).some(({ open }) => open),
      log: () => readFileSync(join(folder, "guard.log"), "utf8"),
      hasEnded: () => child.exitCode !== null,
    };
  }

  /** libfaketime adds what its file says to the wall clock, and leaves the others alone. */
  function wallClockFrom(folder: string) {
    const file = join(folder, "clock");
    writeFileSync(file, "+0");
    const env = { FAKETIME_TIMESTAMP_FILE: file, FAKETIME_NO_CACHE: "1", FAKETIME_DONT_FAKE_MONOTONIC: "1" };
    // The offset that `faketime` itself puts into the environment would count more than the file.
    return { command: ["faketime", "-f", "+0", "env", "--unset=FAKETIME"], env };
  }

  function setWallClock(folder: string, offset: string): void {
    writeFileSync(join(folder, "clock"), offset);
    utimesSync(join(folder, "clock"), new Date(), new Date());
  }

  /** The kernel's count of seconds since boot, suspended ones too, as a file that the test writes. */
  function uptimeFrom(folder: string) {
    writeFileSync(join(folder, "uptime"), readFileSync("/proc/uptime", "utf8"));
    const script = `mount --bind ${join(folder, "uptime")} /proc/uptime && exec "$@"`;
    return { command: ["unshare", "--mount", "sh", "-c", script, "sh"] };
  }

  it("closes as soon as the wall clock is set beyond the deadline", async () => {
    const { folder, isOpen, log, hasEnded } = await guardUnder(wallClockFrom, 600);
    setWallClock(folder, "+3600");
    await until("the window is closed", async () => !(await isOpen()), 30);
    expect(log()).toContain("the deadline passed: closing");
    await until("it has ended", hasEnded, 30);
  }, 90_000);

  it("closes at its deadline though the wall clock was set back", async () => {
    const { folder, isOpen, log, hasEnded } = await guardUnder(wallClockFrom, 5);
    setWallClock(folder, "-86400");
    await until("the window is closed", async () => !(await isOpen()), 60);
    expect(log()).toContain("the deadline passed: closing");
    await until("it has ended", hasEnded, 30);
  }, 120_000);

  it("goes on trying to close though the wall clock was set back after Hetzner's first answer", async () => {
    const { folder, isOpen, log, hasEnded } = await guardUnder(wallClockFrom, 5);
    const fault = { respond: { status: 503, code: "unavailable", message: "down" } };
    await lab.api("POST", "/_emulator/faults", [{ match: {}, fault }]);
    await until("it has tried", () => log().includes("not closed yet"), 60);
    setWallClock(folder, "-86400");
    await lab.api("POST", "/_emulator/faults", []);
    await until("the window is closed", async () => !(await isOpen()), 60);
    await until("it has ended", hasEnded, 30);
  }, 180_000);

  it("closes as soon as the machine has slept beyond the deadline", async () => {
    const { folder, isOpen, log, hasEnded } = await guardUnder(uptimeFrom, 600);
    expect(await isOpen()).toBe(true);
    const [seconds = "0"] = readFileSync("/proc/uptime", "utf8").split(" ");
    writeFileSync(join(folder, "uptime"), `${Number(seconds) + 3600} 0.00\n`);
    await until("the window is closed", async () => !(await isOpen()), 30);
    expect(log()).toContain("the deadline passed: closing");
    await until("it has ended", hasEnded, 30);
  }, 90_000);
});
