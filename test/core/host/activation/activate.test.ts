import { readFileSync, writeFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { publicKey } from "../../../_project.ts";
import { ActivationLab } from "./_lab.ts";

/** `clawdlets rebuild` with real ssh, on a host of the emulator, whose seconds last a twentieth. */
let lab: ActivationLab;
beforeAll(async () => {
  lab = await ActivationLab.open();
}, 120_000);
afterAll(async () => {
  await lab?.close();
});

/** A login by the real command. */
const answers = async () => (await lab.login("echo here")).stdout === "here";

describe("a change that is right", () => {
  it("runs what was wanted, on the boot that the host named", { timeout: 60_000 }, async () => {
    const before = await lab.status();
    const rev = await lab.commit("", "first");
    const { exitCode, stdout, stderr } = await lab.rebuild();
    expect(exitCode, stderr).toBe(0);
    // The emulated host has no MemAvailable.
    expect(stderr).toContain("free memory not checked: the host does not report it");
    const result = JSON.parse(stdout);
    expect(result).toMatchObject({ ok: true, changed: true, rev, bootId: before.bootId });
    const after = await lab.status();
    expect(after).toMatchObject({ systemPath: result.systemPath, nextSystem: result.systemPath });
    expect(after.systemPath).not.toBe(before.systemPath);
    expect(after.activation).toMatchObject({ phase: "done", result: "switched" });
  });

  it("says so when nothing was to be changed", { timeout: 60_000 }, async () => {
    const { exitCode, stdout } = await lab.rebuild();
    expect(exitCode).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ changed: false, secretsChanged: false });
  });

  it("brings changed secrets along", { timeout: 60_000 }, async () => {
    await lab.changeSecret();
    const { exitCode, stdout, stderr } = await lab.rebuild();
    expect(exitCode, stderr).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ changed: false, secretsChanged: true });
    expect(await lab.hadOtherSecrets()).toBe(false);
  });

  it("goes back to the generation before, and forth", { timeout: 60_000 }, async () => {
    const now = await lab.status();
    const { exitCode, stderr } = await lab.server("rollback");
    expect(exitCode, stderr).toBe(0);
    expect((await lab.status()).systemPath).not.toBe("");
    await lab.rebuild();
    expect((await lab.status()).systemPath).toBe(now.systemPath);
  });
});

describe("a change that breaks", () => {
  it.each([
    ["build", "the build of"],
    ["switch", "failed with status 4"],
    ["health", "a health command failed"],
    ["sshd", "not confirmed within 100 s"],
    ["firewall", "not confirmed within 100 s"],
    ["tailnet", "not confirmed within 100 s"],
  ])("%s ends with the former system and the former secrets, and says so", { timeout: 90_000 }, async (what, why) => {
    const before = await lab.status();
    await lab.commit(what);
    await lab.changeSecret();
    const { exitCode, stderr } = await lab.rebuild("--deadline", "100");
    expect(stderr).toContain("NOT CHANGED. It still runs");
    expect(stderr).toContain(why);
    expect(exitCode).toBe(9);
    expect(await lab.status()).toMatchObject({ systemPath: before.systemPath, nextSystem: before.systemPath });
    expect(await lab.hadOtherSecrets()).toBe(true);
    expect(await answers()).toBe(true);
  });
});

describe("a disturbance at", () => {
  const phases = ["prepared:", "building", "switching to", "runs and waits for confirmation"];
  const disturbances = {
    "the operator's process being killed": async (_phase: string, kill: () => void) => kill(),
    "the network being cut for a while": async () => {
      await lab.control("POST", `servers/${lab.serverId}/tailnet`, { on: false });
      await lab.control("POST", `servers/${lab.serverId}/network`, { on: false }); // Cuts what is connected.
      await sleep(2500);
      await lab.control("POST", `servers/${lab.serverId}/network`, { on: true });
      await lab.control("POST", `servers/${lab.serverId}/tailnet`, { on: true });
    },
    "the host losing its power": async () => {
      await lab.control("POST", `servers/${lab.serverId}/power-cut`);
      await lab.control("POST", `servers/${lab.serverId}/power-on`);
    },
  };
  const table = Object.keys(disturbances).flatMap((name) => phases.map((phase) => [phase, name] as const));

  it.each(table)(
    '"%s", %s: the host runs the former or the wanted system, and answers',
    { timeout: 90_000 },
    async (phase, name) => {
      await lab.commit("haste", `${phase} ${name}`);
      const before = await lab.status();
      const running = lab.rebuild("--deadline", "320");
      const kill = () => void running.kill("SIGKILL");
      let disturbed: Promise<void> | undefined;
      let said = "";
      running.stderr?.on("data", (chunk: Buffer) => {
        said += chunk.toString();
        if (disturbed || !said.includes(phase)) return;
        disturbed = disturbances[name as keyof typeof disturbances](phase, kill);
      });
      const { exitCode, stderr } = await running;
      expect(disturbed, stderr).toBeDefined(); // It came to where it was to be disturbed.
      await disturbed;
      await expect
        .poll(async () => (await lab.status().catch(() => undefined))?.activation?.phase, {
          timeout: 30_000,
          interval: 200,
        })
        .toBe("done");
      const after = await lab.status();
      expect([after.activation?.from, after.activation?.to || after.activation?.from]).toContain(after.systemPath);
      expect(after.nextSystem).toBe(after.systemPath);
      expect(await answers()).toBe(true);
      const isFormer = after.systemPath === before.systemPath;
      if (exitCode === 0) expect(isFormer).toBe(false);
      if (exitCode === 9) expect(stderr).toContain("NOT CHANGED. It still runs");
      if (exitCode === 1) expect(stderr).toMatch(/Nothing was changed|changed nothing/);
      if (exitCode === 9 || exitCode === 1) expect(isFormer, stderr).toBe(true);
      if (!name.includes("killed")) expect([0, 1, 9], stderr).toContain(exitCode);
      process.stdout.write(
        `${phase}, ${name}: exit ${exitCode ?? "killed"}, runs the ${isFormer ? "former" : "wanted"} system\n`,
      );
    },
  );
});

describe("server commands", () => {
  const json = async (...args: string[]) => {
    const { stdout, stderr, exitCode } = await lab.server(...args, "--json");
    expect(stdout, stderr).not.toBe("");
    return { exitCode, ...JSON.parse(stdout) };
  };

  it("say what the host runs, and whether it is as it should be", { timeout: 60_000 }, async () => {
    const status = await json("status");
    expect(status).toMatchObject({ ok: true, exitCode: 0, bots: { maren: "active" }, failed: [] });
    expect(status.systemPath).toMatch(/^\/nix\/store\//);
    const audit = await json("audit");
    expect(audit).toMatchObject({ ok: true, exitCode: 0 });
    expect(audit.findings.map(({ what }: { what: string }) => what)).toEqual([
      "system",
      "installation",
      "activation",
      "units",
      "bots",
      "secrets",
    ]);
    expect(audit.problems).toEqual([]);
  });

  it("restart a bot, and print its journal and that of changes", { timeout: 60_000 }, async () => {
    expect(await json("restart", "--unit", "maren")).toMatchObject({ ok: true, unit: "clawdbot-maren.service" });
    const logs = await json("logs", "--since", "5m");
    expect(logs.lines).toEqual([expect.stringContaining("clawdbot-maren.service")]);
    expect((await json("logs", "--activation")).unit).toBe("clawdlets-activation.service");
    const followed = await lab.server("logs", "--follow");
    expect([followed.exitCode, followed.stdout]).toEqual([0, expect.stringContaining("clawdbot-maren.service")]);
    expect(await json("logs", "--unit", "sshd.service", "--since", "yesterday")).toMatchObject({
      unit: "sshd.service",
      lines: [expect.stringContaining("sshd.service")],
    });
    const whole = await lab.server("logs", "--system", "--follow", "--since", "2026-11-27 10:00");
    expect([whole.exitCode, whole.stdout]).toEqual([0, expect.stringContaining("the whole host")]);
  });

  it("list generations, of which one runs", { timeout: 60_000 }, async () => {
    const { generations } = await json("generations");
    expect(generations.length).toBeGreaterThan(0);
    expect(generations.filter(({ current }: { current: boolean }) => current)).toHaveLength(1);
  });

  it.each([
    [["logs", "--unit", "sshd"], 2, 'there is no bot "sshd"; allowed: maren'],
    [["logs", "--unit", "*.service"], 2, 'there is no bot "*.service"; allowed: maren'],
    [["logs", "--unit", "maren", "--system"], 2, "cannot be combined with --"],
    [["logs", "--since", "nonsense"], 2, "not a time: nonsense"],
    [["logs", "--since", "$(id)"], 2, "allowed: a time such as 5m"],
    [["logs", "--lines", "0"], 2, "allowed: 1 to 99999"],
    [["restart", "--unit", "maren.service --now"], 2, "there is no bot"],
    [["rebuild", "--deadline", "5"], 2, "10 to 3600"],
    [["rebuild", "--rev", "main"], 3, "allowed: a full commit"],
  ])("refuse %j", { timeout: 60_000 }, async (args, code, words) => {
    const { exitCode, stderr } = await lab.server(...args);
    expect(stderr).toContain(words);
    expect(exitCode).toBe(code);
  });

  it("ssh hands over the command's own exit code, and takes no other key than the pinned one", {
    timeout: 60_000,
  }, async () => {
    expect((await lab.login("exit 7")).exitCode).toBe(7);
    const { knownHosts } = lab.demo.layout;
    const right = readFileSync(knownHosts, "utf8");
    writeFileSync(knownHosts, right.replace(/ AAAA\S+/g, ` ${publicKey.split(" ")[1]}`));
    try {
      const { exitCode, stderr } = await lab.login("true");
      expect([exitCode, stderr]).toEqual([1, expect.stringContaining("Host key verification failed")]);
    } finally {
      writeFileSync(knownHosts, right);
    }
  });

  it("open a window on a host that does not answer publicly, say so, and close it", { timeout: 60_000 }, async () => {
    const { exitCode, stderr } = await lab.server("status", "--window");
    expect(stderr).toMatch(/is open to [\s\S]*is closed again: TCP\/22 of \S+ is refused[\s\S]*no ssh session/);
    expect(exitCode).toBe(1);
    await lab.control("POST", `servers/${lab.serverId}/public-ssh`, { on: true });
    expect((await lab.server("status", "--window")).exitCode).toBe(0);
  });
});
