import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { ManyHosts } from "../_many-hosts.ts";
import { describeWith } from "../_needs.ts";
import { onTerminal } from "../cli/_terminal.ts";
import { stage } from "../order/stage.ts";

/** Many hosts by one command, by the real engine and provider against the emulator. */
const hosts = ["web-1", "web-2", "web-3"];
const minutes = (count: number) => count * 60_000;
const noServer = {
  match: { method: "POST", path: "/servers", nth: 2 },
  fault: { respond: { status: 403, code: "resource_limit_exceeded", message: "server limit exceeded" } },
};
const never = { match: { method: "POST", path: "/servers" }, fault: noServer.fault };

const statesOf = (json: { hosts: { host: string; state: string }[] }) =>
  Object.fromEntries(json.hosts.map(({ host, state }) => [host, state]));

const refusedForTheLimit = (lab: ManyHosts) =>
  readFileSync(join(lab.emulator.dataDir, "requests.jsonl"), "utf8")
    .trim()
    .split("\n")
    .filter((line) => (JSON.parse(line) as { status: number }).status === 429).length;

describe("three hosts, one of which Hetzner refuses, under a limit for three only one after the other", () => {
  let lab: ManyHosts;
  beforeAll(async () => {
    // Two hosts reserve 60 each of 200 less 20 kept free: the third has to wait for one to end.
    lab = await ManyHosts.open(hosts, { rateLimit: 200, tags: { "web-1": ["eu"], "web-2": ["eu"] } });
  });
  afterAll(async () => lab.close());

  const firstRun = stage(async () => {
    await lab.control("faults", [noServer]);
    const run = await lab.json(["up", "--all", "--keep-going"]);
    const states = run.json === undefined ? {} : statesOf(run.json);
    return {
      ...run,
      states,
      refused: hosts.find((host) => states[host] === "failed") ?? "",
      installed: lab.installed,
    };
  });

  const secondRun = stage(async () => {
    await firstRun();
    await lab.control("faults", []);
    const before = lab.requests;
    const run = await lab.json(["up", "--resume"]);
    return {
      ...run,
      requests: lab.requests - before,
      installed: lab.installed,
      refusedForTheLimit: refusedForTheLimit(lab),
      again: await lab.run(["up", "--resume"]),
    };
  });

  it(
    "keep-going: the others are created, the failure is named first, and what is waited for is said",
    async () => {
      const { exitCode, stderr, states, refused, installed } = await firstRun();
      expect(exitCode, stderr).toBe(1);
      expect(Object.values(states).sort()).toEqual(["failed", "ok", "ok"]);
      expect(installed).toEqual(Object.fromEntries(hosts.filter((host) => host !== refused).map((host) => [host, 1])));
      const summary = stderr.slice(stderr.indexOf("\nFAILED") + 1).split("\n");
      expect(summary[0]).toMatch(new RegExp(`^FAILED {3}${refused} +up failed\\.$`));
      expect(summary.slice(1, 6).join("\n")).toContain("server limit exceeded");
      expect(stderr).toContain("up: 1 failed, 2 ok");
      expect(stderr).toMatch(
        /web-\d {2}waiting \d+ s for Hetzner's request limit \(200 an hour .* reserved by running hosts/,
      );
    },
    minutes(5),
  );

  it(
    "a second run does only what is left, under the same limit, and no request went beyond it",
    async () => {
      const { refused } = await firstRun();
      const second = await secondRun();
      expect(second.exitCode, second.stderr).toBe(0);
      expect(statesOf(second.json)).toEqual({ [refused]: "ok" });
      expect(second.installed).toEqual({ "web-1": 1, "web-2": 1, "web-3": 1 });
      expect(second.stderr).toContain("2 succeeded before and were skipped");
      expect(second.requests).toBeLessThanOrEqual(60);
      expect(second.refusedForTheLimit).toBe(0);
      expect(second.again.stdout).toContain("nothing to resume");
    },
    minutes(5),
  );

  it(
    "preview and verify of many say how each is, with --json and by tag",
    async () => {
      await secondRun();
      const preview = await lab.json(["preview", "--tag", "eu", "--no-refresh"]);
      expect(preview.exitCode, preview.stderr).toBe(0);
      expect(preview.json.hosts).toMatchObject([
        { host: "web-1", ok: true, summary: "nothing would change" },
        { host: "web-2", ok: true, summary: "nothing would change" },
      ]);
      const verify = await lab.json(["verify", "--host", "web-1,web-3"]);
      expect(verify.exitCode, verify.stderr).toBe(0);
      expect(verify.json.hosts).toMatchObject([
        { host: "web-1", ok: true, expectedFrom: "state" },
        { host: "web-3", ok: true, expectedFrom: "state" },
      ]);
    },
    minutes(5),
  );

  describeWith({ programs: ["script", "stty"] }, "on a terminal", () => {
    it(
      "is one table that is redrawn, and then the summary",
      async () => {
        await secondRun();
        const command = `${join(process.cwd(), "bin", "clawdlets")} preview --all --no-refresh`;
        const { screen, raw, exitCode } = await onTerminal(command, [], { cwd: lab.layout.root });
        expect(exitCode).toBe(0);
        expect(screen).toMatch(/3 hosts: 3 running/);
        // Drawn over what was there: the cursor goes up.
        expect(raw).toContain(`${String.fromCharCode(27)}[1A`);
        expect(screen).toMatch(/3 hosts: 3 ok\s+\d+\.\d s {2}✓ web-1 {2}ok {7}nothing would change/);
        expect(screen).toMatch(/ok {7}web-1, web-2, web-3: nothing would change\s+preview: 3 ok; /);
      },
      minutes(5),
    );
  });
});

describe("ten hosts of which none was made", () => {
  const ten = Array.from({ length: 10 }, (_, index) => `web-${index + 1}`);
  const three = ["--host", hosts.join(",")];
  let lab: ManyHosts;
  beforeAll(async () => {
    lab = await ManyHosts.open(ten);
  });
  afterAll(async () => lab.close());

  const badRevision = stage(async () => {
    const bad = ["--rev", "f".repeat(40)];
    const run = await lab.json(["up", "--all", "--keep-going", "--canary", "web-2", ...bad]);
    return { ...run, report: lab.emulator.report() };
  });

  const failFast = stage(async () => {
    await badRevision();
    await lab.control("faults", [never]);
    return lab.json(["up", ...three, "--parallel", "1"]);
  });

  it(
    "a bad revision stops at the canary, also with keep-going: nothing is bought for the others",
    async () => {
      const { exitCode, stderr, json, report } = await badRevision();
      expect(exitCode).not.toBe(0);
      expect(statesOf(json)).toEqual({
        ...Object.fromEntries(ten.map((host) => [host, "not started"])),
        "web-2": "failed",
      });
      expect(stderr).toMatch(/left {5}web-1, web-10, web-3, .* and 1 more: the canary web-2 failed/);
      expect(stderr).toContain("f".repeat(12));
      const resources = Object.keys(report.requests).filter((request) => request.startsWith("POST"));
      expect(
        report.servers.map(({ name }) => name).filter((name) => name !== "web-2"),
        String(resources),
      ).toEqual([]);
    },
    minutes(4),
  );

  it(
    "fail-fast, which up does unless told otherwise, begins no further host",
    async () => {
      const { exitCode, json } = await failFast();
      expect(exitCode).toBe(1);
      expect(statesOf(json)).toEqual({ "web-1": "failed", "web-2": "not started", "web-3": "not started" });
    },
    minutes(4),
  );

  it(
    "Ctrl-C ends those at work in order, with their windows closed, begins no other, and the rest can be gone on with",
    async () => {
      await failFast();
      await lab.control("faults", []);
      const running = lab.run(["up", ...three, "--parallel", "2", "--json"]);
      const openWindows = async () => {
        const { endpoint, token } = lab.emulator;
        const headers = { authorization: `Bearer ${token}` };
        const answer = await fetch(`${endpoint}/firewalls?label_selector=clawdlets-window`, { headers });
        const { firewalls } = (await answer.json()) as { firewalls: { rules: unknown[] }[] };
        return firewalls.filter(({ rules }) => rules.length > 0).length;
      };
      await vi.waitUntil(async () => (await openWindows()) === 2, { timeout: 60_000, interval: 50 });
      // As the terminal does: to all of the group.
      process.kill(-(running.pid ?? 0), "SIGINT");
      const { exitCode, stdout, stderr } = await running;
      expect(exitCode, String(stderr)).toBe(130);
      expect(statesOf(JSON.parse(String(stdout)))).toEqual({
        "web-1": "stopped",
        "web-2": "stopped",
        "web-3": "not started",
      });
      expect(stderr).toContain("stopping: no more hosts are started; running ones finish cleanly");
      expect(await openWindows()).toBe(0);
      expect(() => process.kill(-(running.pid ?? 0), 0)).toThrow(/ESRCH/);
      const { exitCode: second, stderr: said } = await lab.json(["up", "--resume"]);
      expect(second, said).toBe(0);
      expect(Object.keys(lab.installed)).toEqual(hosts);
    },
    minutes(6),
  );
});
