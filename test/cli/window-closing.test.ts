import { execa } from "execa";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { knock, type Lab, newKey, startLab, until } from "../emulator/_lab.ts";
import { clawdlets, type Host, hostFor, paths, patienceMs } from "./_closing.ts";

/**
 * Commands that close TCP/22, each a process of its own, where Hetzner does not close it or does not answer. None may say that it
 * is closed, none may hang, and where there is a guard it goes on.
 */
const setRules = { method: "POST", path: "/firewalls/{id}/actions/set_rules" };
const detach = { method: "POST", path: "/firewalls/{id}/actions/remove_from_resources" };
const respond = (status: number, code: string) => ({ respond: { status, code, message: "no" } });
const withoutEffect = { action: { withoutEffect: true } };
const faults: Record<string, { match: object; fault: object }[]> = {
  "answers 503": [{ match: setRules, fault: respond(503, "unavailable") }],
  "is busy (423)": [{ match: setRules, fault: respond(423, "locked") }],
  "never answers": [{ match: setRules, fault: { connection: "hang" } }],
  "reports success and does nothing": [
    { match: setRules, fault: { lie: true } },
    { match: detach, fault: { lie: true } },
    { match: { method: "DELETE", path: "/firewalls/{id}" }, fault: { lie: true } },
  ],
  "reports success and lists no rules, and the port stays open": [
    { match: setRules, fault: withoutEffect },
    { match: detach, fault: withoutEffect },
  ],
};

interface Outcome {
  exitCode: number | undefined;
  timedOut: boolean;
  said: string;
  /** What connecting to TCP/22 showed when the command had ended, and once Hetzner was well again. */
  port: string;
  portLater?: string;
}

const outcomes: Record<string, Record<string, Outcome>> = {};
const labs: Lab[] = [];
beforeAll(async () => {
  // Machines one after another, which is a matter of milliseconds, and then everything that waits side by side.
  const prepared: [string, Lab, Host[]][] = [];
  for (const fault of Object.keys(faults)) {
    const lab = await startLab({ validate: false });
    labs.push(lab);
    await newKey(lab, "id");
    const hosts: Host[] = [];
    for (const [name, path] of Object.entries(paths)) hosts.push(await hostFor(lab, name, path));
    prepared.push([fault, lab, hosts]);
  }
  const runs = prepared.map(async ([fault, lab, hosts]) => {
    outcomes[fault] = await outcomesUnder(lab, hosts, faults[fault] ?? []);
  });
  await Promise.all(runs);
}, 4 * patienceMs);
afterAll(() => Promise.all(labs.map((lab) => lab.stop())));

/** Runs every command on a Hetzner of its own that has these faults, then makes Hetzner well again. */
async function outcomesUnder(lab: Lab, hosts: Host[], list: object[]): Promise<Record<string, Outcome>> {
  const look = ({ server }: Host) => knock(server.ipv4, lab.emulator.sshPort);
  await lab.api("POST", "/_emulator/faults", list);
  const results = hosts.map(async (each): Promise<[string, Outcome]> => {
    const args = [clawdlets, ...each.path.args(each.host)];
    const options = { cwd: each.layout.root, reject: false, all: true, timeout: patienceMs } as const;
    const { exitCode, timedOut, all: said } = await execa(process.execPath, args, options);
    return [each.name, { exitCode, timedOut, said, port: await look(each) }];
  });
  const seen = Object.fromEntries(await Promise.all(results));
  await lab.api("POST", "/_emulator/faults", []);
  for (const each of hosts.filter(({ path }) => path.opens)) {
    const isClosed = async () => (await look(each)) === "refused";
    await until("the guard has closed it", isClosed, 60).catch(() => undefined);
    const outcome = seen[each.name];
    if (outcome) outcome.portLater = await look(each);
  }
  return seen;
}

describe.each(Object.keys(paths))("clawdlets %s", (path) => {
  it.each(Object.keys(faults))("ends in time and does not say closed where Hetzner %s", (fault) => {
    const { exitCode, timedOut, said, port } = outcomes[fault]?.[path] ?? expect.fail("it did not run");
    expect(timedOut, said).toBe(false);
    expect(port).toBe("open");
    expect(exitCode, said).toBe(8);
    expect(said).toMatch(/NOT CLOSED|NOT LOCKED DOWN|guard keeps trying/);
    expect(said).not.toMatch(/closed again|windows? closed;|locked down:/);
  });
});

const opening = Object.keys(paths).filter((path) => paths[path]?.opens);
describe.each(opening)("the guard of clawdlets %s", (path) => {
  it.each(Object.keys(faults))("closes it once that is possible, where Hetzner %s", (fault) => {
    expect(outcomes[fault]?.[path]?.portLater).toBe("refused");
  });
});
