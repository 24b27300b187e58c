import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it, onTestFinished } from "vitest";
import { describeWith } from "../../_needs.ts";
import { commandLinesWith } from "./_command-lines.ts";
import { type Machine, needs, TailnetLab, until } from "./_lab.ts";
import type { RekeyingHost } from "./_rekeying.ts";

const id = "0123456789abcdef";
const limitMs = 120_000;

describeWith(needs, "clawdlets-rekey, with real headscale and tailscaled,", () => {
  let lab: TailnetLab;
  let operator: Machine;
  let made = 0;
  beforeAll(async () => {
    lab = await TailnetLab.start();
    operator = await lab.machine("operator");
    await operator.joined();
  }, 900_000);
  afterAll(() => lab?.stop());

  /** A host that is in the tailnet, and the key that was given to its join unit, which lets in any number of machines. */
  async function hostInTailnet() {
    made += 1;
    const machine = await lab.machine(`host-${made}`);
    const own = await lab.mint("--reusable");
    await machine.join(own);
    const rekey = await machine.rekeying();
    onTestFinished(() => rekey.close());
    const before = await identityOf(machine);
    expect(before.nodeKey).toMatch(/^nodekey:[0-9a-f]{64}$/);
    return { machine, rekey, before };
  }

  const identityOf = async (machine: Machine) => {
    const { BackendState, Self } = await machine.status();
    return { state: BackendState, nodeKey: Self.PublicKey, address: Self.TailscaleIPs?.[0] ?? "" };
  };
  const begin = (rekey: RekeyingHost, key: string, seconds = 60) => rekey.order(`begin ${id} ${seconds}\n${key}\n`);
  const inPhase = (rekey: RekeyingHost, phase: string, seconds = 60) =>
    until(`it is ${phase}`, async () => rekey.state?.phase === phase, seconds);
  const reaches = async (address: string) =>
    (await operator.command("ping", "--until-direct=false", "-c", "1", "--timeout", "5s", address)).exitCode === 0;

  /** It is the device that it was, reached by the operator, and nothing of the attempt is left. */
  async function expectFormer(
    { machine, rekey, before }: Awaited<ReturnType<typeof hostInTailnet>>,
    why: RegExp | string,
  ) {
    await inPhase(rekey, "done");
    expect(rekey.state).toMatchObject({ result: "returned", why: expect.stringMatching(why) });
    await machine.untilIn("Running");
    expect(await identityOf(machine)).toEqual(before);
    expect([rekey.hasKey, rekey.keepsState]).toEqual([false, false]);
    await until("the operator reaches it", () => reaches(before.address));
  }

  it(
    "makes the host a new device once that is confirmed, with its key on no command line and in no log",
    async () => {
      const { machine, rekey, before } = await hostInTailnet();
      const key = await lab.mint();
      const work = async () => {
        expect((await begin(rekey, key)).exitCode).toBe(0);
        await inPhase(rekey, "waiting");
      };
      const { found } = await commandLinesWith(key, work());
      expect([...found]).toEqual([]);
      expect(rekey.state).toMatchObject({ from: before.nodeKey, to: (await identityOf(machine)).nodeKey });
      expect([rekey.hasKey, rekey.keepsState]).toEqual([false, true]);
      const after = await identityOf(machine);
      expect(after).toMatchObject({ state: "Running" });
      expect([after.nodeKey === before.nodeKey, after.address === before.address]).toEqual([false, false]);
      await until("the operator reaches it", () => reaches(after.address));
      // The join unit, meanwhile: neither it nor its own key counts.
      expect(await machine.join()).toMatchObject({
        exitCode: 0,
        said: expect.stringContaining("a rekey is under way"),
      });
      expect((await rekey.order(`confirm ${id}\n`)).exitCode).toBe(0);
      await inPhase(rekey, "done");
      expect(rekey.state).toMatchObject({ result: "rekeyed", why: "" });
      expect((await rekey.order(`confirm ${id}\n`)).exitCode).toBe(0); // As after an answer that was lost.
      expect(rekey.keepsState).toBe(false);
      expect(await identityOf(machine)).toEqual(after);
      const files = ["tailscaled.state", "rekey/state/state.json", "rekey/journal"];
      for (const file of files) expect(readFileSync(join(machine.folder, file), "utf8")).not.toContain(key);
      await rekey.reboot();
      await rekey.watch();
      await machine.untilIn("Running");
      expect(await identityOf(machine)).toEqual(after);
    },
    limitMs,
  );

  it(
    "takes the old device again when nobody confirms, and refuses a confirmation after that",
    async () => {
      const host = await hostInTailnet();
      await begin(host.rekey, await lab.mint(), 30);
      await inPhase(host.rekey, "waiting");
      expect(await reaches(host.before.address)).toBe(false);
      await expectFormer(host, /^not confirmed within 30 s over a new session$/);
      expect(await host.rekey.order(`confirm ${id}\n`)).toMatchObject({
        exitCode: 1,
        stderr: expect.stringContaining("it is done: not confirmed within 30 s"),
      });
      expect((await begin(host.rekey, await lab.mint())).stderr).toContain(`rekey ${id} has ended`);
    },
    limitMs,
  );

  it.each([
    ["unknown", async () => "hskey-auth-canary012345-0123456789canary", /^it could not join with the new key: .+/],
    ["expired", () => lab.mint("--expiration", "1ms"), /^it could not join with the new key: .*authkey expired/],
    ["spent", spentKey, /^it could not join with the new key: .*authkey already used/],
  ])(
    "takes the old device again at once if the key is %s",
    async (_, mint, why) => {
      const host = await hostInTailnet();
      const key = await mint();
      await begin(host.rekey, key);
      await expectFormer(host, why);
      expect(host.rekey.journal + JSON.stringify(host.rekey.state)).not.toContain(key);
    },
    limitMs,
  );

  async function spentKey(): Promise<string> {
    const key = await lab.mint();
    made += 1;
    expect((await (await lab.machine(`spender-${made}`)).join(key)).exitCode).toBe(0);
    return key;
  }

  it(
    "takes the old device again while the control server is down",
    async () => {
      const host = await hostInTailnet();
      const key = await lab.mint();
      await lab.stopControl();
      try {
        await begin(host.rekey, key, 30);
        await inPhase(host.rekey, "done", 90);
        expect(host.rekey.state).toMatchObject({
          result: "returned",
          why: expect.stringMatching(/no login within \d+ s; does the control server answer\?$/),
        });
      } finally {
        await lab.startControl();
      }
      await expectFormer(host, /./);
    },
    limitMs,
  );

  /** Kills the unit as it is about to have systemd do something, in a phase. */
  async function killBefore({ rekey }: { rekey: RekeyingHost }, phase: string, words: string): Promise<void> {
    const reached = new Promise<void>((resolve) => {
      rekey.before = async (asked) => {
        if (asked !== words || rekey.state?.phase !== phase) return undefined;
        rekey.before = async () => undefined;
        await rekey.kill();
        resolve();
        return "lost";
      };
    });
    await reached;
  }

  const stop = "stop tailscaled.service";
  const start = "start tailscaled.service";
  const ends = [
    ["killed", async ({ watch }: RekeyingHost) => void (await watch())],
    [
      "cut off by a reboot",
      async (rekey: RekeyingHost) => {
        await rekey.reboot();
        await rekey.watch();
      },
    ],
  ] as const;

  it.each(
    [
      ["replacing", stop, "before tailscaled stops"],
      ["joining", start, "without any identity"],
    ].flatMap(([phase = "", words = "", when]) => ends.map(([how, settle]) => ({ phase, words, when, how, settle }))),
  )(
    "takes the old device again when it is $how, $when",
    async ({ phase, words, settle }) => {
      const host = await hostInTailnet();
      const killed = killBefore(host, phase, words);
      await begin(host.rekey, await lab.mint());
      await killed;
      await settle(host.rekey);
      await expectFormer(host, `^its run was interrupted while ${phase}$`);
    },
    limitMs,
  );

  it.each(ends)(
    "takes the old device again when it is %s while it joins",
    async (_, settle) => {
      const host = await hostInTailnet();
      const key = await lab.mint();
      await lab.stopControl();
      try {
        await begin(host.rekey, key);
        await inPhase(host.rekey, "joining");
        await until("it has no identity", async () => (await host.machine.status()).BackendState === "NeedsLogin");
        await host.rekey.kill();
        // With a key that would let it in: a third device would be neither.
        expect((await host.machine.join()).said).toContain("a rekey is under way");
      } finally {
        await lab.startControl();
      }
      await settle(host.rekey);
      await expectFormer(host, "^its run was interrupted while joining$");
    },
    limitMs,
  );

  it.each(
    [
      [stop, "before the new identity is given up"],
      [start, "before tailscaled starts with the old one"],
    ].flatMap(([words = "", when]) => ends.map(([how, settle]) => ({ words, when, how, settle }))),
  )(
    "takes the old device again when it is $how $when",
    async ({ words, settle }) => {
      const host = await hostInTailnet();
      const killed = killBefore(host, "returning", words);
      await begin(host.rekey, "hskey-auth-canary012345-0123456789canary");
      await killed;
      await settle(host.rekey);
      await expectFormer(host, "^it could not join with the new key: ");
    },
    limitMs,
  );

  it.each(ends)(
    "still takes a confirmation when it is %s while it waits, and no other identity",
    async (how, _settle) => {
      const { machine, rekey } = await hostInTailnet();
      await begin(rekey, await lab.mint());
      await inPhase(rekey, "waiting");
      const after = await identityOf(machine);
      if (how === "killed") await rekey.kill();
      else await rekey.reboot();
      expect(rekey.keepsState).toBe(true);
      const watching = rekey.watch();
      expect((await rekey.order(`confirm ${id}\n`)).exitCode).toBe(0);
      await watching;
      expect(rekey.state).toMatchObject({ phase: "done", result: "rekeyed", to: after.nodeKey });
      await machine.untilIn("Running");
      expect(await identityOf(machine)).toEqual(after);
      expect(rekey.keepsState).toBe(false);
    },
    limitMs,
  );

  it(
    "takes the old device again when it is killed while it waits and nobody confirms",
    async () => {
      const host = await hostInTailnet();
      await begin(host.rekey, await lab.mint(), 30);
      await inPhase(host.rekey, "waiting");
      await host.rekey.reboot();
      await host.rekey.watch();
      await expectFormer(host, /^not confirmed within 30 s/);
    },
    limitMs,
  );

  it(
    "waits for the join unit, and is settled when it is killed before it began",
    async () => {
      const host = await hostInTailnet();
      await host.rekey.holdTailnetLock(async () => {
        await begin(host.rekey, await lab.mint());
        await until("the unit runs", async () => host.rekey.isUnitActive());
        expect(host.rekey.log).toEqual([]);
        await host.rekey.kill();
      });
      await host.rekey.watch();
      await expectFormer(host, /^its run was interrupted while accepted$/);
      expect(host.rekey.log).not.toContain(stop);
    },
    limitMs,
  );
});
