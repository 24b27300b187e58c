import { expect, it } from "vitest";
import { healthIn, isHealthy, readBotHealth, unitIn } from "../../../../../core/host/facts/bot-health.ts";

const package_ = `/nix/store/${"a".repeat(32)}-openclaw-2026.9.6`;
const argv = `${package_}/bin/openclaw gateway --port 20001 --bind loopback --auth token --tailscale off`;
const shown = (state = "active") =>
  [
    `ActiveState=${state}`,
    "ActiveEnterTimestamp=Fri 2026-11-27 10:00:00 UTC",
    "NRestarts=2",
    "MemoryCurrent=841977856",
    `ExecStart={ path=${package_}/bin/openclaw ; argv[]=${argv} ; ignore_errors=no ; pid=7 }`,
  ].join("\n");

it("reads state, start, restarts, memory, version and port from systemd", () => {
  expect(unitIn("maren", shown())).toEqual({
    bot: "maren",
    state: "active",
    since: "Fri 2026-11-27 10:00:00 UTC",
    restarts: 2,
    memoryBytes: 841_977_856,
    version: "2026.9.6",
    port: 20001,
  });
  expect(unitIn("rex", "ActiveState=inactive\nMemoryCurrent=[not set]\nNRestarts=18446744073709551615\n")).toEqual({
    bot: "rex",
    state: "inactive",
  });
  expect(unitIn("rex", "")).toEqual({ bot: "rex", state: "unknown" });
});

it.each([
  ['{"ok":true,"status":"live"}', { ok: true, status: "live" }],
  ['{"ok":false,"status":"starting"}', { ok: false, status: "starting" }],
  ["[]", { ok: false, status: "no status" }],
  ["null", { ok: false, status: "does not answer: null" }],
  ["curl: (7) Failed to connect", { ok: false, status: "does not answer: curl: (7) Failed to connect" }],
  ["<html>\nno", { ok: false, status: "does not answer: <html>" }],
])("takes the answer %j for what it says", (answer, health) => {
  expect(healthIn(answer)).toEqual(health);
});

it("asks the gateways of those bots that run one", async () => {
  const asked: string[] = [];
  const run = async (command: string) => {
    asked.push(command);
    const answers = command.includes("curl")
      ? ['{"ok":true,"status":"live"}']
      : [shown(), "ActiveState=active", shown("failed")];
    const separator = /^echo (--clawdlets-[0-9a-f]{16}--);/.exec(command)?.[1];
    return { exitCode: 0, stdout: answers.map((answer) => `${separator}\n${answer}\n`).join(""), stderr: "" };
  };
  const health = await readBotHealth(run, ["maren", "rex", "sonja"]);
  expect(asked).toHaveLength(2);
  expect(asked[1]?.replace(/^echo \S+ /, "")).toBe(
    "curl -sS --noproxy '*' --max-time 5 http://127.0.0.1:20001/health 2>&1",
  );
  expect(health.map((each) => [each.bot, each.state, each.health?.status, isHealthy(each)])).toEqual([
    ["maren", "active", "live", true],
    ["rex", "active", undefined, true],
    ["sonja", "failed", undefined, false],
  ]);
});

it("asks nothing for a host without bots", async () => {
  await expect(readBotHealth(() => Promise.reject(new Error("asked")), [])).resolves.toEqual([]);
});
