import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ActivationLab } from "./_lab.ts";

/** `clawdlets rebuild` with real ssh, on a host of the emulator, whose seconds last a twentieth. */
let lab: ActivationLab;
beforeAll(async () => {
  lab = await ActivationLab.open();
}, 120_000);
afterAll(async () => {
  await lab?.close();
});

const answers = async () => (await lab.ssh("echo here")).stdout === "here";

describe("a change that is right", () => {
  it("runs what was wanted, on the boot that the host named", { timeout: 60_000 }, async () => {
    const before = await lab.status();
    const rev = await lab.commit("", "first");
    const { exitCode, stdout, stderr } = await lab.rebuild();
    expect(exitCode, stderr).toBe(0);
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
    ["switch", "ended with status 4"],
    ["health", "a health command fails"],
    ["sshd", "nobody confirmed within 20 s"],
    ["firewall", "nobody confirmed within 20 s"],
    ["tailnet", "nobody confirmed within 20 s"],
  ])("%s ends with the former system and the former secrets, and says so", { timeout: 90_000 }, async (what, why) => {
    const before = await lab.status();
    await lab.commit(what);
    await lab.changeSecret();
    const { exitCode, stderr } = await lab.rebuild("--deadline", "20");
    expect(stderr).toContain("NOT CHANGED, it runs");
    expect(stderr).toContain(why);
    expect(exitCode).toBe(9);
    expect(await lab.status()).toMatchObject({ systemPath: before.systemPath, nextSystem: before.systemPath });
    expect(await lab.hadOtherSecrets()).toBe(true);
    expect(await answers()).toBe(true);
  });
});

describe("a disturbance at", () => {
  const phases = ["prepared", "building", "switching to", "runs and can be reached"];
  const disturbances = {
    "the operator's process being killed": async (_phase: string, kill: () => void) => kill(),
    "the network being cut for a while": async () => {
      await lab.control("POST", `servers/${lab.serverId}/tailnet`, { on: false });
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
      await lab.commit("", `${phase} ${name}`);
      const before = await lab.status();
      const running = lab.rebuild("--deadline", "40");
      const kill = () => void running.kill("SIGKILL");
      let isDone = false;
      let said = "";
      running.stderr?.on("data", (chunk: Buffer) => {
        said += chunk.toString();
        if (isDone || !said.includes(phase)) return;
        isDone = true;
        void disturbances[name as keyof typeof disturbances](phase, kill);
      });
      const outage = name.includes("network")
        ? setTimeout(() => void lab.control("POST", `servers/${lab.serverId}/tailnet`, { on: true }), 5000)
        : undefined;
      const { exitCode, stderr } = await running;
      clearTimeout(outage);
      await lab.control("POST", `servers/${lab.serverId}/tailnet`, { on: true });
      await expect
        .poll(async () => (await lab.status().catch(() => undefined))?.activation.phase, {
          timeout: 30_000,
          interval: 200,
        })
        .toBe("done");
      const after = await lab.status();
      expect([after.activation.from, after.activation.to || after.activation.from]).toContain(after.systemPath);
      expect(after.nextSystem).toBe(after.systemPath);
      expect(await answers()).toBe(true);
      const isFormer = after.systemPath === before.systemPath;
      if (exitCode === 0) expect(isFormer).toBe(false);
      if (exitCode === 9) expect(isFormer, stderr).toBe(true);
      if (!name.includes("killed")) expect([0, 9], stderr).toContain(exitCode);
      process.stdout.write(
        `${phase}, ${name}: exit ${exitCode ?? "killed"}, runs the ${isFormer ? "former" : "wanted"} system\n`,
      );
    },
  );
});
