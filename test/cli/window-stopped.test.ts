import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { execa } from "execa";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { stopCodes } from "../../core/base/stopped.ts";
import { knock, type Lab, newKey, startLab, until } from "../emulator/_lab.ts";
import { clawdlets, type Host, hostFor, paths, patienceMs } from "./_closing.ts";

/** Commands that are stopped while Hetzner does not answer their closing: they end soon, and a guard goes on. */
const signals = ["SIGINT", "SIGTERM", "SIGHUP", "SIGKILL"] as const;

interface Outcome {
  exitCode: number | undefined;
  signal: string | undefined;
  timedOut: boolean;
  said: string;
  portLater?: string;
}

let lab: Lab;
const outcomes: Record<string, Outcome> = {};
const nameOf = (path: string, signal: string) => `${path} ${signal}`;
beforeAll(async () => {
  lab = await startLab({ validate: false, rateLimit: 1_000_000 });
  await newKey(lab, "id");
  const hosts: [(typeof signals)[number], Host][] = [];
  for (const [path, how] of Object.entries(paths)) {
    for (const signal of signals) hosts.push([signal, await hostFor(lab, nameOf(path, signal), how)]);
  }
  const match = { method: "POST", path: "/firewalls/{id}/actions/set_rules" };
  await lab.api("POST", "/_emulator/faults", [{ match, fault: { connection: "hang" } }]);
  await Promise.all(hosts.map(async ([signal, host]) => (outcomes[host.name] = await stop(host, signal))));
  await lab.api("POST", "/_emulator/faults", []);
  for (const [, each] of hosts.filter(([, { path }]) => path.opens)) {
    const look = () => knock(each.server.ipv4, lab.emulator.sshPort);
    await until("the guard has closed it", async () => (await look()) === "refused", 60).catch(() => undefined);
    const outcome = outcomes[each.name];
    if (outcome) outcome.portLater = await look();
  }
}, 4 * patienceMs);
afterAll(() => lab.stop());

async function stop({ path, host, layout }: Host, name: (typeof signals)[number]): Promise<Outcome> {
  const child = execa(process.execPath, [clawdlets, ...path.args(host)], {
    cwd: layout.root,
    reject: false,
    all: true,
    timeout: patienceMs,
    forceKillAfterDelay: false, // How soon it ends is what is tested.
  });
  await until(`the closing of ${host} hangs`, () => isClosing(host), 60);
  child.kill(name);
  const { exitCode, signal, timedOut, all: said } = await child;
  return { exitCode, signal, timedOut, said };
}

/** Whether the window's rules were asked to go, which nobody answers. */
async function isClosing(host: string): Promise<boolean> {
  await sleep(200);
  const { body } = await lab.api("GET", `/firewalls?label_selector=clawdlets-window==${host}`);
  const log = readFileSync(join(lab.emulator.dataDir, "requests.jsonl"), "utf8");
  return body.firewalls.some(({ id }: { id: number }) => log.includes(`"/firewalls/${id}/actions/set_rules"`));
}

const cases = Object.keys(paths).flatMap((path) => signals.map((signal) => [path, signal] as const));

describe("a closing that hangs", () => {
  it.each(cases)("of clawdlets %s ends soon after %s", (path, signal) => {
    const { timedOut, said } = outcomes[nameOf(path, signal)] ?? expect.fail("it did not run");
    expect(timedOut, said).toBe(false);
    expect(said).not.toMatch(/closed again|windows? closed;|locked down:/);
  });

  it.each(cases.filter(([path, signal]) => signal !== "SIGKILL" && path !== "window close"))(
    "of clawdlets %s says after %s that the port is open",
    (path, signal) => {
      const { exitCode, said } = outcomes[nameOf(path, signal)] ?? expect.fail("it did not run");
      expect(said).toMatch(/took longer than 10 s/);
      expect(exitCode, said).toBe(8);
    },
  );

  it.each(cases.filter(([path]) => path === "window close"))(
    "of clawdlets %s is ended by %s at once, and says that the port may be open",
    (path, signal) => {
      const outcome = outcomes[nameOf(path, signal)];
      if (signal === "SIGKILL") return expect(outcome?.signal).toBe(signal);
      expect(outcome?.said).toMatch(/stopped by .*\. TCP\/22 may still be open\. Run the same command again\./);
      expect(outcome?.exitCode).toBe(stopCodes[signal]);
    },
  );

  it.each(cases.filter(([path]) => paths[path]?.opens))(
    "of clawdlets %s is taken over by the guard after %s",
    (path, signal) => {
      expect(outcomes[nameOf(path, signal)]?.portLater).toBe("refused");
    },
  );
});
