import { existsSync } from "node:fs";
import { join } from "node:path";
import { afterEach, expect, it, vi } from "vitest";
import { publicKeyOf } from "../../../core/base/machine/ssh-keys.ts";
import { buildOnBuilder } from "../../../core/host/push/builder.ts";
import { rebuildSettings } from "../../../core/project/settings/stack-config/rebuild.ts";
import { describeWith } from "../../_needs.ts";
import { Line, type MachineOptions, NixMachine, needs, Operator, problemOf, startDaemon } from "./_machines.ts";

// Machines start, and copies wait for each other, on machines that do other things as well.
vi.setConfig({ testTimeout: 120_000 });
afterEach(() => void vi.unstubAllEnvs());

async function lab(options: Omit<MachineOptions, "operator"> = {}) {
  const operator = await Operator.create();
  const machine = await NixMachine.start({ ...options, operator: operator.publicKey });
  for (const [key, value] of Object.entries(operator.environment)) vi.stubEnv(key, value);
  const stop = new AbortController();
  const reports: string[] = [];
  const build = (flake: string, { key = machine.hostKey, port = machine.port, user = "root" } = {}) =>
    buildOnBuilder(
      {
        host: "web-1",
        settings: {
          host: "web-1",
          rebuild: rebuildSettings.parse({ buildOn: `ssh://${user}@127.0.0.1:${port}`, builderKey: key }),
        },
        local: { nix: "nix", githubToken: undefined, sshPubkeyFile: operator.publicKey },
        signal: stop.signal,
        report: (text) => void reports.push(text),
      },
      flake,
    );
  return { operator, machine, build, stop, reports };
}

describeWith(needs, "a builder, with the real nix and sshd", () => {
  it("builds what was evaluated here, and its result is in this machine's store", async () => {
    const { operator, machine, build, reports } = await lab();
    const system = await build(await operator.commit("echo built >$out"));
    expect(system).toMatch(/^\/nix\/store\/[0-9a-z]{32}-nixos-system-web-1$/);
    expect((await machine.sh(`cat ${system}`)).stdout).toBe("built");
    expect((await operator.nix("store", "cat", system)).stdout).toBe("built");
    expect(reports).toEqual([
      `building on ssh://root@127.0.0.1:${machine.port}`,
      `copying from ssh://root@127.0.0.1:${machine.port}`,
    ]);
  });

  it("builds for a user whom its nix daemon does not trust", async () => {
    const conf = "trusted-users = nobody\n";
    const { operator, machine, build } = await lab({ conf, setUp: startDaemon, variables: "NIX_REMOTE=daemon" });
    const system = await build(await operator.commit("cat $parts >$out", { parts: 1 }));
    expect((await operator.nix("store", "verify", "--recursive", "--no-trust", system)).exitCode).toBe(0);
    const sign = `nix key generate-secret --key-name k >/run/k; NIX_REMOTE=daemon nix store sign --key-file /run/k ${system}`;
    expect((await machine.sh(sign)).stderr).toContain("not privileged");
  });

  it.each<[string, string, { key?: "other"; port?: number; user?: string }, Partial<MachineOptions>, string, RegExp]>([
    [
      "refuses the connection",
      "echo x >$out",
      { port: 1 },
      {},
      "builder-unreachable",
      /cannot reach ssh:\/\/root@127\.0\.0\.1:1: .*Connection refused/,
    ],
    [
      "has another host key",
      "echo x >$out",
      { key: "other" },
      {},
      "builder-key",
      /different ssh host key than clawdlets:rebuild\.builderKey/,
    ],
    ["does not let the user in", "echo x >$out", { user: "nobody" }, {}, "builder-unreachable", /refuses your ssh key/],
    [
      "has no nix",
      "echo x >$out",
      {},
      { variables: "PATH=/nonexistent" },
      "builder-unsuitable",
      /has no nix-daemon on the PATH/,
    ],
    [
      "builds for another processor",
      "echo x >$out",
      {},
      { conf: "system = aarch64-linux\n" },
      "builder-unsuitable",
      /cannot build for x86_64-linux/,
    ],
    [
      "has a full disk",
      "head -c 100000000 /dev/zero >$out",
      {},
      { size: "16m" },
      "disk-full",
      /the disk of ssh:\S+ is full/,
    ],
    [
      "cannot build it",
      "echo canary-why >&2; exit 3",
      {},
      {},
      "builder-failed",
      /the build on ssh:\S+ failed: .*exit code 3.*canary-why/,
    ],
  ])("%s: says so, and what to do", async (_, lines, asked, options, code, problem) => {
    const { operator, build } = await lab(options);
    const { key, ...rest } = asked;
    const other = key === "other" ? { key: publicKeyOf(operator.key) } : {};
    const error = await problemOf(build(await operator.commit(lines), { ...rest, ...other }));
    expect(error.problems).toEqual([
      expect.objectContaining({ code, subject: "web-1", problem: expect.stringMatching(problem) }),
    ]);
    expect(error.problems[0]?.problem).toContain("Nothing was changed on the host.");
    expect(error.problems[0]?.fix).toMatch(/\S/);
  });

  it.each([
    ["dies", (machine: NixMachine) => machine.kill(), false],
    ["is cut off", async (_: NixMachine, line: Line) => line.cut(), true],
  ])(
    "that %s in the middle of a build is named as lost; if it is back, the same command builds",
    async (_, end, again) => {
      const { operator, machine, build } = await lab();
      const line = await Line.to(machine.port);
      const mark = join(operator.folder, "started");
      const flake = await operator.commit(`if [ ! -e ${mark} ]; then touch ${mark}; sleep 612; fi; echo built >$out`);
      const failed = problemOf(build(flake, { port: line.port }));
      await vi.waitUntil(() => existsSync(mark), { timeout: 20_000 });
      await end(machine, line);
      expect((await failed).problems).toEqual([
        expect.objectContaining({
          code: "builder-failed",
          problem: expect.stringContaining("lost contact with ssh://"),
        }),
      ]);
      if (again) expect(await build(flake, { port: line.port })).toMatch(/-nixos-system-web-1$/);
    },
  );

  it("stops building when the command is stopped", async () => {
    const { operator, machine, build, stop } = await lab();
    const mark = join(operator.folder, "started");
    const flake = await operator.commit(`touch ${mark}; sleep 611`);
    const stopped = build(flake).catch((error: unknown) => error);
    await vi.waitUntil(() => existsSync(mark), { timeout: 20_000 });
    const running = async () => (await machine.sh("pgrep -f '[s]leep 611'")).stdout;
    expect(await running()).not.toBe("");
    stop.abort(new Error("Ctrl-C"));
    expect(await stopped).toMatchObject({ message: "Ctrl-C" });
    await vi.waitUntil(async () => (await running()) === "", { timeout: 20_000 });
  });

  it("sends a result that is cut on the way back again", async () => {
    const { operator, machine, build } = await lab();
    const line = await Line.to(machine.port);
    const flake = await operator.commit("head -c 4000000 /dev/urandom >$out");
    line.cutReplyAfter(1_000_000);
    expect((await problemOf(build(flake, { port: line.port }))).problems).toEqual([
      expect.objectContaining({
        code: "builder-failed",
        problem: expect.stringMatching(/^the system could not be copied from \S+: lost contact/),
      }),
    ]);
    const system = await build(flake, { port: line.port });
    expect((await operator.nix("store", "verify", "--no-trust", system)).exitCode).toBe(0);
  });
});
