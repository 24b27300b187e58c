import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { messageOf, UserError } from "../../../../core/base/errors.ts";
import { createHetzner } from "../../../../core/base/hetzner/client.ts";
import { labelsOf } from "../../../../core/base/hetzner/labels.ts";
import { JournalWriter } from "../../../../core/host/journal.ts";
import type { Installation } from "../../../../core/host/request.ts";
import { openByHand, whileOpen } from "../../../../core/host/window/window-by-hand.ts";
import { withWindow } from "../../../../core/host/window/with-window.ts";
import { hostLayoutOf, layoutOf } from "../../../../core/project/layout.ts";
import { completeSettings, type LocalSettings } from "../../../../core/project/settings/host.ts";
import { stackConfig } from "../../../../core/project/settings/stack-config/stack-config.ts";
import { publicKey, recipient } from "../../../_project.ts";
import { done, knock, type Lab, newServer, startLab, until } from "../../../emulator/_lab.ts";

/** The window of an installation, and one opened by hand, where Hetzner does not close it: each ends in time, and its guard goes on. */
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
const failedAction = { action: { error: { code: "action_failed", message: "no" } } };
const halfOpen = { match: { method: "POST", path: "/firewalls" }, fault: failedAction };

interface World {
  lab: Lab;
  installation: Installation;
  port: () => Promise<string>;
  faults: (list: object[]) => Promise<unknown>;
}

const folder = mkdtempSync(join(tmpdir(), "clawdlets-window-"));
const labs: Lab[] = [];
afterAll(async () => {
  await Promise.all(labs.map((lab) => lab.stop()));
  rmSync(folder, { recursive: true, force: true });
});

async function newWorld(signal = new AbortController().signal): Promise<World> {
  const lab = await startLab({ validate: false });
  labs.push(lab);
  const firewall = {
    name: "web-1-fw",
    labels: labelsOf("web-1"),
    rules: [{ direction: "in", protocol: "icmp", source_ips: ["0.0.0.0/0"] }],
  };
  const { id } = (await done(lab, "POST", "/firewalls", firewall)).body.firewall;
  const server = await newServer(lab, "web-1", { labels: labelsOf("web-1"), firewalls: [{ firewall: id }] });
  const settings = completeSettings(
    "web-1",
    stackConfig.parse({
      serverType: "cx43",
      ageRecipient: recipient,
      sshHostKey: publicKey,
      adminSshKeys: [publicKey],
      tailnet: "none",
    }),
  );
  const { endpoint, token, sshPort } = lab.emulator;
  const local = { endpoint, token, sshPort, adminCidrs: ["127.0.0.1/32"] } as LocalSettings;
  const layout = layoutOf(join(folder, String(labs.length)));
  const host = hostLayoutOf(layout, "web-1");
  const facts = { serverId: server.id, address: server.ipv4, installId: "0".repeat(16) };
  const journal = new JournalWriter(host.journal, facts);
  const report = () => undefined;
  const hetzner = createHetzner(lab.emulator);
  return {
    lab,
    installation: {
      layout,
      settings,
      local,
      facts,
      signal,
      host,
      hetzner,
      journal,
      report,
      step: async () => undefined,
    },
    port: () => knock(server.ipv4, sshPort),
    faults: (list) => lab.api("POST", "/_emulator/faults", list),
  };
}

const byHand = ({ lab, installation }: World) => {
  const { endpoint, token, sshPort } = lab.emulator;
  const access = { endpoint, token, sshPort, tailscale: "", adminCidrs: ["127.0.0.1/32"], sshPubkeyFile: undefined };
  return { host: "web-1", files: installation.host, access: { ...access, problems: [] }, minutes: 60 };
};

/** What each way of opening does: opens, calls `once` while it is open, and fails to close. */
const ways: Record<string, (world: World, list: object[], once?: () => void) => Promise<unknown>> = {
  "of an installation": (world, list, once) => withWindow(world.installation, () => world.faults(list).then(once)),
  "of a command": (world, list, once) => {
    const { hetzner, signal } = world.installation;
    return whileOpen(hetzner, { ...byHand(world), signal }, () => world.faults(list).then(once));
  },
  "half opened by an installation": async (world, list) => {
    await world.faults([halfOpen, ...list]);
    return withWindow({ ...world.installation, journal: afterFirstRun(world) }, () => Promise.resolve());
  },
  "half opened by hand": async (world, list) => {
    await world.faults([halfOpen, ...list]);
    return openByHand(world.installation.hetzner, byHand(world));
  },
};

/** A first run takes a port that answers for a window in force; a later one asks Hetzner. */
function afterFirstRun({ installation: { host, facts } }: World): JournalWriter {
  const previous = new JournalWriter(host.journal, facts).journal;
  return new JournalWriter(host.journal, facts, previous);
}

interface Outcome {
  error: unknown;
  port: string;
  portLater: string;
}

const outcomes: Record<string, Promise<Outcome>> = {};
const nameOf = (way: string, fault: string) => `${way}: ${fault}`;
beforeAll(async () => {
  for (const [way, open] of Object.entries(ways)) {
    for (const [fault, list] of Object.entries(faults)) {
      const world = await newWorld();
      outcomes[nameOf(way, fault)] = outcomeOf(world, () => open(world, list));
    }
  }
  await Promise.allSettled(Object.values(outcomes));
}, 240_000);

async function outcomeOf(world: World, open: () => Promise<unknown>): Promise<Outcome> {
  const error = await open().then(
    () => undefined,
    (reason: unknown) => reason,
  );
  const port = await world.port();
  await world.faults([]);
  await until("the guard has closed it", async () => (await world.port()) === "refused", 90).catch(() => undefined);
  return { error, port, portLater: await world.port() };
}

describe.each(Object.keys(ways))("a window %s", (way) => {
  it.each(Object.keys(faults))("fails in time and is closed by its guard later, where Hetzner %s", async (fault) => {
    const { error, port, portLater } = (await outcomes[nameOf(way, fault)]) ?? expect.fail("it did not run");
    expect(error).toBeInstanceOf(UserError);
    if (!way.startsWith("half")) expect(port, messageOf(error)).toBe("open");
    expect(portLater).toBe("refused");
  });
});

describe.each(["of an installation", "of a command"])("a window %s", (way) => {
  it("says with the exit code of an open port that the guard goes on", async () => {
    const { error } = (await outcomes[nameOf(way, "answers 503")]) ?? expect.fail("it did not run");
    expect(error).toMatchObject({
      exitCode: 8,
      message: expect.stringContaining("The guard keeps trying to close it"),
    });
  });

  it("is given up soon after it was asked to stop, though Hetzner never answers", async () => {
    const stop = new AbortController();
    const world = await newWorld(stop.signal);
    const open = ways[way] ?? expect.fail(way);
    const { error, portLater } = await outcomeOf(world, () => {
      return open(world, faults["never answers"] ?? [], () => stop.abort());
    });
    expect(messageOf(error)).toContain("took longer than 10 s");
    expect(portLater).toBe("refused");
  }, 120_000);
});

/** Both actions of closing take this long: longer together than Hetzner has to accept that the rules are removed. */
const slow = [setRules, detach].map((match) => ({ match, fault: { action: { durationMs: 20_000 } } }));

describe.concurrent.each(["of an installation", "of a command"])("a window %s", (way) => {
  it("is closed and proven closed where each of Hetzner's actions takes 20 s", async ({ expect }) => {
    const world = await newWorld();
    await (ways[way] ?? expect.fail(way))(world, slow);
    expect(await world.port()).toBe("refused");
  }, 120_000);
});
