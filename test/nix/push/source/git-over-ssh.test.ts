import { readdirSync, readFileSync, readlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { execa } from "execa";
import { afterEach, expect, it, vi } from "vitest";
import { type Installer, runPhases } from "../../../../core/host/install/installer.ts";
import { installSettings } from "../../../../core/project/settings/stack-config/install.ts";
import { describeWith } from "../../../_needs.ts";
import { freePort } from "../../../examples/_bucket.ts";
import { commandLinesWith } from "../../tailnet/_command-lines.ts";
import { type NixMachine, needs, problemOf } from "../_machines.ts";
import { sendingLab } from "./_sending.ts";
import { SshGit } from "./_ssh-git.ts";

// Machines start, and copies wait for each other, on machines that do other things as well.
vi.setConfig({ testTimeout: 120_000 });
afterEach(() => void vi.unstubAllEnvs());

const programs = [...needs.programs, "git-shell", "ssh-agent", "ssh-add"];

/** A project whose repository and whose input are private, behind an sshd. @param holder of the operator's key for it */
async function lab(holder: "file" | "agent", rebuild: object) {
  let server: SshGit | undefined;
  const found = await sendingLab({
    git: async (folder) => {
      const git = await SshGit.start(folder, await freePort());
      server = git;
      return Object.assign(git, { setUp: (home: string) => SshGit.prototype.setUp.call(git, home, holder) });
    },
    rebuild,
    isPushed: true,
  });
  return { ...found, git: server as SshGit };
}

/** Reads the environment of the host's processes again and again until the work is done. @returns those with an agent */
async function agentsOn(host: NixMachine, work: Promise<unknown>): Promise<Set<string>> {
  const space = (await host.sh("readlink /proc/self/ns/pid")).stdout;
  const found = new Set<string>();
  const done = new AbortController();
  void work.catch(() => undefined).finally(() => done.abort());
  while (!done.signal.aborted) {
    for (const id of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
      const agent = agentOf(id, space);
      if (agent) found.add(agent);
    }
    await setImmediate();
  }
  return found;
}

function agentOf(id: string, space: string): string | undefined {
  try {
    if (readlinkSync(`/proc/${id}/ns/pid`) !== space) return undefined;
    return /(?:^|\0)SSH_AUTH_SOCK=([^\0]*)/.exec(readFileSync(`/proc/${id}/environ`, "utf8"))?.[1];
  } catch {
    return undefined; // It has ended meanwhile.
  }
}

async function filesWith(folder: string, text: string): Promise<string[]> {
  const { stdout, exitCode } = await execa("grep", ["-rlF", "-e", text, folder], { reject: false });
  expect(exitCode).toBeLessThan(2); // 2: it could not search everything.
  return stdout.split("\n").filter((file) => file !== "");
}

describeWith({ ...needs, programs }, "a private flake over git+ssh, with the real nix, git and sshd", () => {
  it.each([
    ["sent to the host, with the key in a file", "file", { source: "send" }],
    ["sent to the host, with the key in an agent", "agent", { source: "send" }],
    ["built on this machine, with the key in a file", "file", { buildOn: "local" }],
    ["built on this machine, with the key in an agent", "agent", { buildOn: "local" }],
  ] as const)("%s: the host runs it, and neither the key nor the agent reaches it", async (_, holder, rebuild) => {
    const { git, host, change, head, runs, leaks, reports, layout } = await lab(holder, rebuild);
    const commit = await head();
    let served = 0;
    const work = change((text) => {
      if (!text.startsWith("prepared")) return;
      served = git.served;
      void git.stop();
    });
    const [{ found, result }, agents] = await Promise.all([commandLinesWith(git.keyLine, work), agentsOn(host, work)]);
    expect(result).toMatchObject({ changed: true, rev: commit, dirty: false });
    expect(await runs()).toBe(result.systemPath);
    const { stdout: words } = await host.sh(`cat ${result.systemPath}/words`);
    expect(words).toMatch(new RegExp(`^private words ${commit} [1-9][0-9]{9}$`));
    expect(served).toBeGreaterThan(1);
    expect([found, agents]).toEqual([new Set(), new Set()]);
    expect(await leaks(git.keyLine)).toEqual([]);
    expect(reports.join("\n")).not.toContain(git.keyLine);
    expect(await filesWith(layout.dir, git.keyLine)).toEqual([]);
  });

  it("would be seen to have the key in a file of the host, or an agent", async () => {
    const { git, host, leaks } = await lab("file", { source: "send" });
    await host.sh(`echo '${git.keyLine}' >/root/id`);
    expect(await leaks(git.keyLine)).toEqual(["/root/id"]);
    expect(await agentsOn(host, host.sh("SSH_AUTH_SOCK=/canary sleep 1"))).toEqual(new Set(["/canary"]));
  });

  it("is also read by an installation, whose own ssh leads to the new server", async () => {
    const { git, layout, head } = await lab("file", { source: "send" });
    const command = join(layout.dir, "nixos-anywhere");
    const read = join(layout.dir, "read");
    writeFileSync(command, `#!/bin/sh\ngit ls-remote '${git.url("hosts")}' HEAD >'${read}'\n`, { mode: 0o700 });
    const { knownHosts } = layout;
    const route = { address: "127.0.0.1", port: 9, user: "root", alias: "web-1", knownHosts, identity: git.key };
    const setup = {
      route,
      logFile: join(layout.dir, "log"),
      githubToken: undefined,
      signal: AbortSignal.timeout(60_000),
    };
    const install = installSettings.parse({});
    const phase = { phases: "kexec", flake: "x#web-1", install, deadlineSeconds: 30, advice: "Look." };
    const installer: Installer = { command, args: [], found: "PATH" };
    await runPhases({ ...setup, installer, onProcessGroup: () => undefined, onLine: () => undefined }, phase);
    expect(readFileSync(read, "utf8")).toBe(`${await head()}\tHEAD\n`);
  });

  it("says what to do where the server refuses the operator, before the host is asked for anything", async () => {
    const { host, change, runs } = await lab("agent", { source: "send" });
    const before = await runs();
    vi.stubEnv("SSH_AUTH_SOCK", undefined);
    const [problem] = (await problemOf(change())).problems;
    expect(problem?.problem).toMatch(/"root@127\.0\.0\.1: Permission denied \([a-z,-]+\)\.; fatal: /);
    expect(`${problem?.problem} ${problem?.fix ?? ""}`).toContain("ssh-add -l");
    expect(await runs()).toBe(before);
    expect((await host.sh("ls /var/lib/clawdlets")).stdout).toBe("");
  });
});
