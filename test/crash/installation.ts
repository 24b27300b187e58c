import { setTimeout as sleep } from "node:timers/promises";
import { execa } from "execa";
import type { CrashLab, CrashServer } from "./_lab.ts";
import type { CaseResult } from "./life.ts";

/** What is said when an installation reaches a milestone, by the milestone's name. */
export const milestones = {
  "window opens": /^\[open\]/m,
  connecting: /^\[connect\]/m,
  kexec: /^\[kexec\]/m,
  "in kexec": /Switching system into kexec/,
  "installing begins": /^\[install\]/m,
  formatting: /Formatting hard drive/,
  "uploading the closure": /Uploading the system closure/,
  "copying extra files": /Copying extra files/,
  "installing NixOS": /Installing NixOS/,
  rebooting: /^\[reboot\]/m,
  confirming: /^\[confirm\]/m,
  "over the tailnet": /^\[tailnet\]/m,
  closing: /^\[close\]/m,
} as const;

export type Milestone = keyof typeof milestones;

/** What happens then. Where the host or its network goes, the operator gives up a second later. */
export const disturbances = {
  "the install is killed": async (_lab: CrashLab, _server: CrashServer, pid: number) => kill(pid, "SIGKILL"),
  "the install and its guard are killed": async (_lab: CrashLab, _server: CrashServer, pid: number) => {
    const guard = await guardOf(pid);
    kill(pid, "SIGKILL");
    if (guard !== undefined) kill(guard, "SIGKILL");
  },
  "Ctrl-C": async (_lab: CrashLab, _server: CrashServer, pid: number) => kill(pid, "SIGINT"),
  "the server loses power": async (lab: CrashLab, { id }: CrashServer, pid: number) => {
    await lab.api("POST", `/_emulator/servers/${id}/power-cut`);
    await sleep(1000);
    kill(pid, "SIGINT");
  },
  "the network goes for a second": async (lab: CrashLab, { id }: CrashServer, pid: number) => {
    await lab.api("POST", `/_emulator/servers/${id}/network`, { on: false });
    await sleep(1000);
    kill(pid, "SIGINT");
    await lab.api("POST", `/_emulator/servers/${id}/network`, { on: true });
  },
} as const;

export type Disturbance = keyof typeof disturbances;

export type InstallationCase = [Milestone, Disturbance];

export const installationCases = (): InstallationCase[] =>
  (Object.keys(milestones) as Milestone[]).flatMap((milestone) =>
    (Object.keys(disturbances) as Disturbance[]).map((each): InstallationCase => [milestone, each]),
  );

export const installationName = ([milestone, disturbance]: InstallationCase): string =>
  `install: ${disturbance}: at ${milestone}`;

/** Process id of the guard, as long as its parent lives. */
async function guardOf(parent: number): Promise<number | undefined> {
  const { stdout } = await execa("ps", ["--ppid", String(parent), "-ww", "-o", "pid=,args="], { reject: false });
  const line = stdout.split("\n").find((text) => text.includes("bin/guard.mjs"));
  return line === undefined ? undefined : Number.parseInt(line, 10);
}

function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It has ended on its own: the milestone was its last.
  }
}

/** Installs, disturbs at one milestone, and runs `clawdlets install` once more, as `up` would. */
export async function crashInstallation(
  lab: CrashLab,
  milestone: Milestone,
  disturbance: Disturbance,
): Promise<CaseResult> {
  const server = await lab.createServer();
  try {
    const first = lab.install(server);
    const disturbed = await at(first, milestones[milestone]);
    if (disturbed) await disturbances[disturbance](lab, server, first.pid ?? 0);
    await first;
    await lab.api("POST", `/_emulator/servers/${server.id}/network`, { on: true });
    const between = await lab.report(server);
    lab.ageLocks();
    const { exitCode, all } = await lab.install(server);
    const after = await lab.report(server);
    const isInstalled = exitCode === 0 && after.os === "nixos" && lab.journal?.state === "done";
    return {
      disturbed,
      converged: isInstalled,
      leftOpen: !(await lab.isClosed(server)),
      secondsOpen: 0,
      orphans: await lab.windows(),
      // What had come up once is never wiped again.
      doubleInstalls: between.os === "nixos" ? after.diskWipes - between.diskWipes : 0,
      keysLost: 0,
      wrong: isInstalled ? [] : [all.trimEnd().split("\n").slice(-4).join(" | ")],
    };
  } finally {
    await lab.deleteServer(server);
  }
}

/** Waits until the output says it. @returns whether it did before its end */
function at(child: ReturnType<CrashLab["install"]>, text: RegExp): Promise<boolean> {
  let output = "";
  return new Promise((resolve) => {
    child.all?.on("data", (chunk: Buffer) => {
      output += chunk.toString();
      if (text.test(output)) resolve(true);
    });
    child.then(() => resolve(false));
  });
}
