import { chmodSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { proveLockdown } from "../../../../core/host/lockdown/prove.ts";
import { layoutOf } from "../../../../core/project/layout.ts";
import { done } from "../../../emulator/_lab.ts";
import { admin, LockdownLab, ping, ssh, windowOf } from "./_lab.ts";

let world: LockdownLab;
beforeAll(async () => {
  world = await LockdownLab.open();
});
afterEach(() => world.reset());
afterAll(async () => {
  // Nothing was asked of Hetzner that its API description does not know.
  expect(world.lab.emulator.violations()).toEqual([]);
  await world.lab.stop();
});

describe("a host is locked down when", () => {
  it("its rules are as declared, in any order and spelling, and TCP/22 refuses several times", async () => {
    await world.setRules([ping, { ...ssh("2001:db8:0:0::/64", "::ffff:cb00:7107/128"), port: "443" }]);
    const rules = [
      {
        direction: "in" as const,
        protocol: "tcp" as const,
        port: "443",
        sourceIps: ["::ffff:203.0.113.7/128", "2001:db8::/64"],
      },
      ...(world.expected.rules ?? []),
    ];
    const seen = await world.look({ rules });
    expect(seen).toMatchObject({ ok: true, rules: 2, tailnet: "not asked for", wrong: [], exitCode: 0 });
    expect(seen.ports).toMatchObject([
      { address: world.server.ipv4, version: 4, closed: true, seen: ["refused", "refused", "refused"] },
      { version: 6, notTried: expect.stringContaining("documentation prefix") },
    ]);
    expect(seen.warnings).toEqual([expect.stringMatching(/^IPv6 was not tried: 2001:db8:/)]);
  });

  it("an emptied window waits on it to be tidied up, which is said", async () => {
    await world.addFirewall("w", [], { labels: windowOf("web-1") });
    const seen = await world.look();
    expect(seen.ok).toBe(true);
    expect(seen.warnings.join()).toMatch(/emptied window "w" .* opens nothing/);
  });

  it("the window that it keeps open on purpose is all that is open, with a warning", async () => {
    await world.addFirewall("w", [ssh(admin)], { labels: windowOf("web-1") });
    const seen = await world.look({ sshExposure: "bootstrap" });
    expect(seen).toMatchObject({ ok: true, exitCode: 0 });
    expect(seen.ports[0]).toMatchObject({ closed: false, seen: ["open"] });
    expect(seen.warnings.join()).toMatch(
      /TCP\/22 IS OPEN to 127\.0\.0\.1\/32 by the window "w".*clawdlets lockdown --host web-1/,
    );
  });

  it("TCP/22 is open to the admins as declared", async () => {
    await world.setRules([ping, ssh(admin)]);
    const rules = [
      ...(world.expected.rules ?? []),
      { direction: "in" as const, protocol: "tcp" as const, port: "22", sourceIps: [admin] },
    ];
    expect(await world.look({ rules, sshExposure: "public" })).toMatchObject({ ok: true, rules: 2 });
  });

  it("a rule that was on its way is in force a moment later", async () => {
    const fault = { action: { durationMs: 1500 } };
    await world.lab.api("POST", "/_emulator/faults", [
      { match: { method: "POST", path: "/firewalls/{id}/actions/set_rules" }, fault },
    ]);
    await world.lab.api("POST", `/firewalls/${world.firewallId}/actions/set_rules`, { rules: [ping] });
    expect((await world.lab.api("GET", `/servers/${world.server.id}`)).body.server.public_net.firewalls[0].status).toBe(
      "pending",
    );
    expect(await world.look()).toMatchObject({ ok: true });
  });
});

describe("a host is not locked down, which ends with 8, when", () => {
  it.each<[string, () => Promise<unknown>, Parameters<LockdownLab["look"]>[0], RegExp[]]>([
    [
      "a rule opens TCP/22 that nobody declared",
      () => world.setRules([ping, { ...ssh("0.0.0.0/0"), port: "1-1024" }]),
      {},
      [
        /^an undeclared rule: in tcp\/1-1024 from 0\.0\.0\.0\/0 \(opens TCP\/22\)$/,
        /^TCP\/22 of 127\.\S+ is open from here$/,
      ],
    ],
    [
      "a rule is there that opens something else",
      () => world.setRules([ping, { ...ssh(admin), port: "443" }]),
      {},
      [/^an undeclared rule: in tcp\/443 from 127\.0\.0\.1\/32$/],
    ],
    [
      "a declared rule lets others in",
      () => world.setRules([{ ...ping, source_ips: ["0.0.0.0/0"] }]),
      {},
      [/^an undeclared rule/, /^a declared rule is missing/],
    ],
    [
      "another firewall is on it",
      () => world.addFirewall("mine", [{ ...ssh(admin), port: "443" }]),
      {},
      [/^another firewall is on the server: "mine" \(\d+\)$/],
    ],
    [
      "another firewall with a window's name, but not its label, opens TCP/22",
      () => world.addFirewall("web-1-window", [ssh(admin)], { labels: windowOf("web-2") }),
      { sshExposure: "bootstrap" },
      [/^another firewall is on the server: "web-1-window" \(\d+\), which opens TCP\/22$/, /^TCP\/22 of/],
    ],
    [
      "another firewall reaches it by a label",
      () =>
        done(world.lab, "POST", "/firewalls", {
          name: "by-label",
          rules: [ssh(admin)],
          apply_to: [{ type: "label_selector", label_selector: { selector: "managed-by" } }],
        }),
      {},
      [/^another firewall is on the server: "by-label"/, /^TCP\/22 of/],
    ],
    [
      "a window is open",
      () => world.addFirewall("w", [ssh(admin)], { labels: windowOf("web-1") }),
      {},
      [/^a bootstrap window is open on the server: "w"/, /^TCP\/22 of/],
    ],
    [
      "the window that may be open lets in more than the admins",
      () => world.addFirewall("w", [ssh("0.0.0.0/0")], { labels: windowOf("web-1") }),
      { sshExposure: "bootstrap" },
      [
        /^a bootstrap window "w" .* lets in more than ssh from the admin networks: in tcp\/22 from 0\.0\.0\.0\/0$/,
        /^TCP\/22 of/,
      ],
    ],
    [
      "the window that may be open is for more than ssh",
      () => world.addFirewall("w", [{ ...ssh(admin), port: "any" }], { labels: windowOf("web-1") }),
      { sshExposure: "bootstrap" },
      [/^a bootstrap window "w" .* lets in more than ssh/, /^TCP\/22 of/],
    ],
    [
      "no firewall is on it",
      () => world.detach(world.firewallId),
      {},
      [
        /^the server has no firewall: every port is open/,
        /^the declared firewall \d+ is not on the server$/,
        /^TCP\/22 of/,
      ],
    ],
  ])("%s", async (_, change, expected, wrong) => {
    await change();
    const seen = await world.look(expected);
    expect(seen).toMatchObject({ ok: false, answer: "open", exitCode: 8 });
    expect(seen.wrong).toEqual(wrong.map((each) => expect.stringMatching(each)));
  });

  it("but locked, which ends with 1, where a declared rule is missing and nothing is open", async () => {
    await world.setRules([]);
    expect(await world.look()).toMatchObject({
      ok: false,
      answer: "locked",
      exitCode: 1,
      wrong: [expect.stringMatching(/^a declared rule is missing: in icmp from 0\.0\.0\.0\/0, ::\/0$/)],
    });
  });

  it("someone answers at TCP/22 though the API says it is closed", async () => {
    const listener = createServer((socket) => socket.end("SSH-2.0-x\r\n"));
    await new Promise<void>((resolve) => listener.listen(0, world.server.ipv4, resolve));
    const address = listener.address();
    const sshPort = typeof address === "object" && address ? address.port : 0;
    try {
      const seen = await world.look({}, { sshPort });
      expect(seen).toMatchObject({
        ok: false,
        exitCode: 8,
        wrong: [expect.stringMatching(/^TCP\/22 of .* is open \(3 tries\) from here$/)],
      });
      expect(seen.ports[0]?.seen.length).toBeGreaterThan(3); // It was given time to close.
    } finally {
      listener.close();
    }
  }, 40_000);

  it("and without any declaration, when a firewall of ours opens TCP/22", async () => {
    await world.setRules([ping, ssh(admin)]);
    const { serverId } = world.expected;
    const seen = await world.look({ serverId, firewallId: undefined, rules: undefined } as never);
    expect(seen.wrong[0]).toMatch(
      /^a rule of the firewall "web-1-fw" \(\d+\) opens TCP\/22: in tcp\/22 from 127\.0\.0\.1\/32$/,
    );
  });
});

describe("the proof for the engine", () => {
  const prove = (expected = {}) =>
    proveLockdown({
      layout: layoutOf(world.lab.dir),
      host: "web-1",
      access: world.access,
      expected: { ...world.expected, ...expected },
      tailnetSeconds: 1,
      signal: new AbortController().signal,
      report: (step, text) => said.push(`${step} ${text}`),
    });
  const said: string[] = [];

  it("fails the update with everything that was seen", async () => {
    await world.addFirewall("w", [ssh(admin)], { labels: windowOf("web-1") });
    await expect(prove()).rejects.toThrow(
      /web-1: NOT LOCKED DOWN.*clawdlets lockdown --host web-1.*\n {2}a bootstrap window is open.*\n {2}TCP\/22 of/,
    );
  });

  it("passes with a window that is kept open, and warns of it", async () => {
    await world.addFirewall("w", [ssh(admin)], { labels: windowOf("web-1") });
    await prove({ sshExposure: "bootstrap" });
    expect(said.join("\n")).toMatch(/^close warning: TCP\/22 IS OPEN/m);
  });
});

describe("the tailnet", () => {
  /** A tailscale that notes when it was asked, and knows nobody. */
  function stranger(): { tailscale: string; askedAt: () => number } {
    const [tailscale, note] = [join(world.lab.dir, "tailscale"), join(world.lab.dir, "asked")];
    writeFileSync(tailscale, `#!/bin/sh\n[ -e ${note} ] || date +%s%3N > ${note}\necho '{"Peer":{}}'\n`);
    chmodSync(tailscale, 0o755);
    return { tailscale, askedAt: () => (existsSync(note) ? Number(readFileSync(note, "utf8")) : 0) };
  }

  it("is checked before anything else, and its silence fails, with the rest still checked", async () => {
    const { tailscale, askedAt } = stranger();
    const log = join(world.lab.emulator.dataDir, "requests.jsonl");
    const requests = () => readFileSync(log, "utf8").trim().split("\n");
    const before = requests().length;
    const seen = await world.look(
      { tailnet: "tailscale" },
      { tailscale, sshPubkeyFile: join(world.lab.dir, "key.pub") },
    );
    expect(seen).toMatchObject({ ok: false, tailnet: "does not answer", answer: "unknown", exitCode: 13 });
    expect(seen.wrong).toEqual([expect.stringMatching(/^web-1: no ssh session over the tailnet within 1 s/)]);
    expect(seen.ports[0]?.closed).toBe(true);
    const times = requests().map((line) => Date.parse((JSON.parse(line) as { time: string }).time));
    expect(askedAt()).toBeGreaterThan(0);
    expect(times[before]).toBeGreaterThanOrEqual(askedAt());
  });

  it("is reported as not checked if no key is known to log in with", async () => {
    const seen = await world.look({ tailnet: "tailscale" });
    expect(seen).toMatchObject({ ok: true, tailnet: "not checked" });
    expect(seen.warnings.join()).toMatch(/no session over the tailnet was tried/);
  });
});
