import { rmSync } from "node:fs";
import { dirname } from "node:path";
import { describe, expect, it, vi } from "vitest";
import { describeWith } from "../../_needs.ts";
import { type ActivatingHost, refusal, signingKey, type Trait, token, tokenSum } from "./_activating-host.ts";
import { bothActivating } from "./_both-activating.ts";

type Key = ReturnType<typeof signingKey>;

vi.setConfig({ testTimeout: 90_000 });

const id = "0123456789abcdef";
const zeros = "0".repeat(40);
const taken = (phase: string) => ({ exitCode: 0, stderr: "", stdout: expect.stringContaining(`"phase":"${phase}"`) });
/** @throws if it ends first, with the reason */
async function comesTo(host: ActivatingHost, phase: string): Promise<void> {
  const seen = await vi.waitUntil(() => [phase, "done"].includes(host.state().phase) && host.state(), {
    // A run that has read its deadline already waits it out: 600 s, which last 30 here.
    timeout: 60_000,
    interval: 20,
  });
  expect(seen, seen.why).toMatchObject({ phase });
}
async function ends(host: ActivatingHost) {
  await comesTo(host, "done");
  return host.state();
}
/** A source in the host's store, as far as the form of an order goes. */
const sourceOn = (host: ActivatingHost, digit = "1") =>
  `source:${dirname(host.running())}/${"a".repeat(32)}-source?lastModified=1&rev=${digit.repeat(40)}`;
const prepare = (host: ActivatingHost, seconds = 600, as = id) => host.order(`prepare ${as} ${tokenSum} ${seconds}\n`);
const confirm = (host: ActivatingHost, as = id) => host.order(`confirm ${as} ${token}\n`);

/** The former system runs and will boot, with the former secrets, and no files for a rollback remain. */
function expectFormer(host: ActivatingHost, former: string): void {
  const seen = { running: host.running(), chosen: host.chosen(), secret: host.secret(), keeps: host.keepsSecrets() };
  expect(seen).toEqual({ running: former, chosen: former, secret: "old\n", keeps: false });
}

describeWith({ programs: ["bash", "git", "flock", "setsid", "ps"] }, "clawdlets-activate", () => {
  describe.each(bothActivating)("%s", (_name, open) => {
    /** A host with a commit of these traits, prepared, and its secrets changed since. */
    async function changing(traits: readonly Trait[] = [], seconds = 600) {
      const host = await open();
      const former = host.running();
      const rev = await host.commit(traits);
      expect(await prepare(host, seconds)).toEqual(taken("prepared"));
      host.changeSecret("new\n");
      return { host, former, rev, switch: (to = rev) => host.order(`switch ${id} ${to}\n`) };
    }
    async function waiting(traits: readonly Trait[] = []) {
      const change = await changing(traits);
      expect(await change.switch()).toEqual(taken("building"));
      await comesTo(change.host, "waiting");
      return change;
    }

    it("keeps the new system when the token arrives, and accepts it again if its answer was lost", async () => {
      const { host, former, rev } = await waiting();
      const to = host.running();
      expect(to).not.toBe(former);
      expect(host.chosen()).toBe(to);
      expect(host.state()).toMatchObject({ from: former, to, rev, result: "", bootId: "boot-1", why: "" });
      expect(await confirm(host)).toEqual(taken("waiting"));
      expect(await ends(host)).toMatchObject({ from: former, to, rev, result: "switched", bootId: "boot-1", why: "" });
      expect([host.running(), host.secret(), host.keepsSecrets()]).toEqual([to, "new\n", false]);
      expect(await confirm(host)).toEqual(taken("done"));
    });

    it("shows these fields to every user, but not the token's checksum", async () => {
      const { host } = await changing();
      expect(Object.keys(host.state())).toEqual(
        ["id", "phase", "result", "rev", "release", "from", "to", "deadline", "seconds", "bootId", "code", "why"], //
      );
      expect(JSON.stringify(host.state())).not.toContain(tokenSum);
      expect(host.state()).toMatchObject({ id, seconds: "600", deadline: expect.stringMatching(/^[0-9]+$/) });
    });

    it("says by a code that it cannot fetch its branch", async () => {
      const { host, former } = await changing();
      rmSync(host.repository.replace(/^file:\/\//, ""), { recursive: true });
      expect(await host.order(`switch ${id} newest\n`)).toEqual(taken("building"));
      const why = `cannot fetch branch main of ${host.repository}`;
      expect(await ends(host)).toMatchObject({ result: "returned", code: "unfetched", why });
      expectFormer(host, former);
    });

    it("rolls back on its own if nobody confirms in time", async () => {
      const { host, former, switch: order } = await changing([], 10);
      await order();
      const why = "not confirmed within 10 s over a new connection";
      expect(await ends(host)).toMatchObject({ result: "returned", why, bootId: "boot-1" });
      expectFormer(host, former);
      expect(await confirm(host)).toEqual(refusal("ended", `it is done: ${why}`));
    });

    it("rolls back the secrets if no order follows prepare", async () => {
      const { host, former } = await changing();
      await host.letTimePass();
      expect(await ends(host)).toMatchObject({
        result: "returned",
        to: "",
        why: "prepare was not followed by a switch",
      });
      expectFormer(host, former);
    });

    it.each<[Trait, string]>([
      ["boot", "could not select it for the next boot"],
      ["switch", "switching to it failed with status 4; see journalctl --unit=clawdlets-activation.service"],
      ["hang", "switching to it failed with status 124; see journalctl --unit=clawdlets-activation.service"],
      ["health", "a health command failed: false"],
    ])("goes back from a system with trouble: %s", async (trait, why) => {
      const { host, former, switch: order } = await changing([trait], 10);
      await order();
      expect(await ends(host)).toMatchObject({ result: "returned", why });
      expectFormer(host, former);
    });

    it.each<[string, () => Promise<[ActivatingHost, string, string]>]>([
      [
        "does not build",
        async () => {
          const { host, rev } = await changing(["build"]);
          const see = "see journalctl --unit=clawdlets-activation.service";
          return [host, rev, `the build of ${rev} failed or took more than 3600 s; ${see}`];
        },
      ],
      [
        "could not roll back on its own",
        async () => {
          const { host, rev } = await changing(["blind"]);
          const why = "the new system has no clawdlets-activation-watch.service, so it could not roll back on its own";
          return [host, rev, why];
        },
      ],
      ...(["other", "fork"] as const).map((on): [string, () => Promise<[ActivatingHost, string, string]>] => [
        `only ${on === "other" ? "another branch" : "a fork"} has`,
        async () => {
          const { host } = await changing();
          const rev = await host.commit([], on);
          return [host, rev, `${rev} is not on branch main of ${host.repository}`];
        },
      ]),
      [
        "nobody has",
        async () => {
          const { host } = await changing();
          return [host, zeros, `${zeros} is not on branch main of ${host.repository}`];
        },
      ],
      [
        "the branch has no more",
        async () => {
          const { host, rev } = await changing();
          await host.forget(1);
          return [host, rev, `${rev} is not on branch main of ${host.repository}`];
        },
      ],
    ])("changes nothing for a commit that %s", async (_, prepared) => {
      const [host, rev, why] = await prepared();
      const former = host.running();
      await host.order(`switch ${id} ${rev}\n`);
      expect(await ends(host)).toMatchObject({ result: "returned", to: "", rev, why });
      expectFormer(host, former);
    });

    it("uses the branch's newest commit if none is named, even one pushed after prepare", async () => {
      const { host, switch: order } = await changing();
      const newest = await host.commit();
      await order("newest");
      await comesTo(host, "waiting");
      expect(host.state().rev).toBe(newest);
    });

    it("switches to the previous generation, and reports if there is none", async () => {
      const { host, former, switch: order } = await changing();
      await order("previous");
      expect(await ends(host)).toMatchObject({ result: "returned", why: "there is no earlier generation" });
      for (const [next, to] of [
        ["1".repeat(16), await host.commit()],
        ["2".repeat(16), "previous"],
      ] as const) {
        await prepare(host, 600, next);
        await host.order(`switch ${next} ${to}\n`);
        await comesTo(host, "waiting");
        await confirm(host, next);
        expect(await ends(host)).toMatchObject({ result: "switched", rev: to });
      }
      expect([host.running(), host.chosen()]).toEqual([former, former]);
    });

    it("never treats a system that was rolled back as the previous generation", async () => {
      const { host, former, switch: order } = await changing(["switch"]);
      await order();
      await ends(host);
      const [good, back] = ["1".repeat(16), "2".repeat(16)];
      await prepare(host, 600, good);
      await host.order(`switch ${good} ${await host.commit()}\n`);
      await comesTo(host, "waiting");
      await confirm(host, good);
      await ends(host);
      await prepare(host, 600, back);
      await host.order(`switch ${back} previous\n`);
      await comesTo(host, "waiting");
      expect(host.running()).toBe(former);
    });

    it.each(["prepared", "building", "switching", "checking", "waiting", "returning"] as const)(
      "a host that loses its power while it is %s runs the former or the wanted system, and ends with the former",
      async (phase) => {
        const traits: Trait[] = phase === "returning" ? ["haste", "switch"] : phase === "waiting" ? [] : ["haste"];
        const { host, former, switch: order } = await changing(traits);
        if (phase !== "prepared") await order();
        await comesTo(host, phase);
        const { to } = host.state();
        await host.reboot();
        expect([former, to]).toContain(host.running());
        if (host.state().phase !== "done") await host.letTimePass();
        expect(await ends(host)).toMatchObject({ result: "returned", bootId: "boot-2" });
        expectFormer(host, former);
      },
    );

    it("a host that rebooted in time can still be confirmed", async () => {
      const { host } = await waiting();
      await host.reboot();
      await expect.poll(() => host.state().bootId, { timeout: 25_000 }).toBe("boot-2");
      const { to } = host.state();
      expect(await confirm(host)).toEqual(taken("waiting"));
      expect(await ends(host)).toMatchObject({ result: "switched", to, bootId: "boot-2" });
      expect([host.running(), host.chosen()]).toEqual([to, to]);
    });

    it("reboots before the confirmation where the kernel changed", async () => {
      const { host, switch: order } = await changing(["kernel"]);
      await order();
      await expect.poll(() => host.isRebooting(), { timeout: 25_000 }).toBe(true);
      expect(await confirm(host)).toMatchObject({ exitCode: 3, stderr: expect.stringContaining("it is rebooting") });
      await host.reboot();
      await comesTo(host, "waiting");
      await confirm(host);
      expect(await ends(host)).toMatchObject({ result: "switched", bootId: "boot-2", to: host.running() });
    });

    it("keeps the new secrets if the identity has changed since: it may not decrypt the old ones", async () => {
      const { host } = await changing();
      host.changeIdentity();
      expect(await host.order(`cancel ${id}\n`)).toMatchObject({ exitCode: 0 });
      expect(host.state()).toMatchObject({ result: "returned", why: "cancelled" });
      expect([host.secret(), host.keepsSecrets()]).toEqual(["new\n", false]);
    });

    it("can be cancelled until it switches", async () => {
      const { host, former, switch: order } = await changing(["haste"]);
      await order();
      expect(await host.order(`cancel ${id}\n`)).toEqual(taken("returning"));
      expect(await ends(host)).toMatchObject({ result: "returned", why: "cancelled", to: "" });
      expectFormer(host, former);
      expect(await host.order(`cancel ${id}\n`)).toEqual(taken("done")); // It has ended already.
      const later = await waiting();
      const why = "it is waiting; without a confirmation it rolls back on its own";
      expect(await later.host.order(`cancel ${id}\n`)).toEqual(refusal("too-late", why));
    });

    const forms = {
      prepare: "allowed: prepare, 16 hex digits, 64 hex digits, 10 to 3600",
      switch:
        "allowed: switch, 16 hex digits, and a full commit (40 hex digits), newest, previous, a store path or a source; then release, signature, downgrade",
      confirm: "allowed: confirm, 16 hex digits, 64 hex digits",
      cancel: "allowed: cancel, 16 hex digits",
      none: "allowed orders: prepare, switch, confirm, cancel",
    };
    it.each<[order: string, why: string, code?: string]>([
      ["", "no order on standard input"],
      ["\n", forms.none],
      ["status\n", forms.none],
      ["prepare\n", forms.none],
      [`run ${id}\n`, forms.none],
      [" cancel x\n", forms.none],
      [`${"x".repeat(100_000)}\n`, forms.none],
      ["prepare x y 60\n", forms.prepare],
      [`prepare ${id} ${tokenSum} 9\n`, forms.prepare],
      [`prepare ${id} ${tokenSum} 3601\n`, forms.prepare],
      [`prepare ${id} ${tokenSum} 060\n`, forms.prepare],
      [`prepare ${id} ${tokenSum} 60 more\n`, forms.prepare],
      [`prepare ${id.toUpperCase()} ${tokenSum} 60\n`, forms.prepare],
      [`prepare ${id} ${tokenSum} 60${" ".repeat(400)}\n`, forms.prepare],
      [`switch ${id} main\n`, forms.switch],
      [`switch ${id} ${zeros}#x\n`, forms.switch],
      [`switch ${id} /etc/passwd\n`, forms.switch],
      [`switch ${id} source:/etc/passwd?rev=1\n`, forms.switch],
      [`switch ${id} source:/nix/store/../../etc?rev=1\n`, forms.switch],
      [`switch ${id} source:/nix/store/a-source\n`, forms.switch],
      [`switch ${id} source:/nix/store/a-source?dir=a#b\n`, forms.switch],
      [`switch ${id} source:/nix/store/a-source?dir="a\n`, forms.switch],
      [`switch ${id} ${zeros} 5\n`, forms.switch],
      [`switch ${id} ${zeros} 05 a:${"A".repeat(86)}==\n`, forms.switch],
      [`switch ${id} ${zeros} 5 a:${"A".repeat(88)}\n`, forms.switch],
      [`switch ${id} ${zeros} 5 a:${"A".repeat(86)}== force\n`, forms.switch],
      [`switch ${id} ${zeros}\n`, `activation ${id} is not prepared`, "not-prepared"],
      [`confirm ${id} 0\n`, forms.confirm],
      [`confirm ${id} ${token}\n`, `this host has no activation ${id}`, "not-current"],
      [`cancel ${id} now\n`, forms.cancel],
      [`cancel ${id}\n`, `this host has no activation ${id}`, "not-current"],
    ])("refuses %j", async (order, why, code = "unknown-order") => {
      const host = await open();
      const before = [host.running(), host.chosen()];
      expect(await host.order(order)).toEqual(refusal(code, why));
      expect([host.running(), host.chosen(), host.keepsSecrets()]).toEqual([...before, false]);
    });

    describe("that trusts keys", () => {
      const [key, next, foreign] = ["one", "two", "three"].map(signingKey) as [Key, Key, Key];
      const namesake = signingKey("one");
      const unsigned =
        "it is not signed, and this host accepts only what one of its keys has signed (clawdlets:systemKeys)";
      const untrusted = "no key that this host trusts has signed this release for it (clawdlets:systemKeys)";

      /** A prepared change of a host that trusts two keys and has kept release 2000. */
      async function signing() {
        const host = await open();
        host.trust([key.publicKey, next.publicKey]);
        const [first, rev] = [await host.commit(), await host.commit()];
        await keep(host, "1".repeat(16), first, key.release(first, 2000));
        const former = host.running();
        await prepare(host);
        host.changeSecret("new\n");
        return { host, former, first, rev };
      }
      async function keep(host: ActivatingHost, as: string, what: string, release: string) {
        await prepare(host, 600, as);
        expect(await host.order(`switch ${as} ${what} ${release}\n`)).toEqual(taken("building"));
        await comesTo(host, "waiting");
        await confirm(host, as);
        expect(await ends(host)).toMatchObject({ result: "switched" });
      }

      // One host for all: a refused order changes nothing.
      const unaccepted: [string, (rev: string, first: string, host: ActivatingHost) => string, string][] = [
        ["nothing", (rev) => rev, unsigned],
        ["nothing, for the newest commit", () => "newest", unsigned],
        ["nothing, for the previous generation", () => "previous", unsigned],
        ["a name for any commit", () => `newest ${key.release("newest", 3000)}`, unsigned],
        ["a key that it does not know", (rev) => `${rev} ${foreign.release(rev, 3000)}`, untrusted],
        ["another key of the same name", (rev) => `${rev} ${namesake.release(rev, 3000)}`, untrusted],
        ["a key that it trusts, for another commit", (rev, first) => `${rev} ${key.release(first, 3000)}`, untrusted],
        ["a key that it trusts, for another host", (rev) => `${rev} ${key.release(rev, 3000, "web-2")}`, untrusted],
        ["nothing, for a source", (_rev, _first, host) => sourceOn(host), unsigned],
        [
          "a key that it trusts, for a source with another commit",
          (_rev, _first, host) => `${sourceOn(host, "2")} ${key.release(sourceOn(host), 3000)}`,
          untrusted,
        ],
        [
          "a key that it trusts, with another number",
          (rev) => `${rev} ${key.release(rev, 3000).replace("3000", "3001")}`,
          untrusted,
        ],
        [
          "a key that it trusts, as the release that it has",
          (rev) => `${rev} ${key.release(rev, 2000)}`,
          "release 2000 is not newer than the host's release 2000",
        ],
        [
          "a key that it trusts, as an older release",
          (rev) => `${rev} ${key.release(rev, 1999)}`,
          "release 1999 is not newer than the host's release 2000",
        ],
        [
          "a key that it trusts, as an older release that nobody has allowed at the console",
          (rev) => `${rev} ${key.release(rev, 1999)} downgrade`,
          "release 1999 is not newer than the host's release 2000. To allow an older one once, run as root at the console: touch",
        ],
      ];

      it("changes nothing for a signed source that has not arrived", async () => {
        const { host, former } = await signing();
        const source = sourceOn(host);
        expect(await host.order(`switch ${id} ${source} ${key.release(source, 3000)}\n`)).toEqual(taken("building"));
        expect(await ends(host)).toMatchObject({
          result: "returned",
          why: expect.stringContaining("is not completely in the host's store"),
        });
        expectFormer(host, former);
        expect(host.lastRelease()).toBe("2000");
      });

      it("switches to nothing that none of its keys has signed for it, with a higher number", async () => {
        const { host, former, first, rev } = await signing();
        for (const [what, text, why] of unaccepted) {
          const answer = await host.order(`switch ${id} ${text(rev, first, host)}\n`);
          const code = why === unsigned ? "unsigned" : why === untrusted ? "untrusted" : "old-release";
          expect(answer, what).toMatchObject({
            exitCode: 1,
            stderr: expect.stringContaining(refusal(code, why).stderr),
          });
          expect(host.state().phase, what).toBe("prepared");
        }
        await host.order(`cancel ${id}\n`);
        expectFormer(host, former);
        expect(host.lastRelease()).toBe("2000");
      });

      it("switches to what one of its keys has signed, and keeps the number once that is confirmed", async () => {
        const { host, rev } = await signing();
        expect(await host.order(`switch ${id} ${rev} ${next.release(rev, 2001)}\n`)).toEqual(taken("building"));
        await comesTo(host, "waiting");
        expect(host.lastRelease()).toBe("2000");
        await confirm(host);
        expect(await ends(host)).toMatchObject({ result: "switched", rev, release: "2001" });
        expect(host.lastRelease()).toBe("2001");
      });

      it("does not keep the number of a release that it rolled back", async () => {
        const { host } = await signing();
        const rev = await host.commit(["switch"]);
        await host.order(`switch ${id} ${rev} ${key.release(rev, 2001)}\n`);
        expect(await ends(host)).toMatchObject({ result: "returned" });
        expect(host.lastRelease()).toBe("2000");
      });

      it("takes an older release once root has allowed it at the console, and once only", async () => {
        const { host, rev, first } = await signing();
        host.allowDowngrade();
        await host.order(`switch ${id} ${rev} ${key.release(rev, 1500)} downgrade\n`);
        await comesTo(host, "waiting");
        await confirm(host);
        await ends(host);
        expect(host.lastRelease()).toBe("1500");
        await prepare(host, 600, "2".repeat(16));
        const again = await host.order(`switch ${"2".repeat(16)} ${first} ${key.release(first, 1400)} downgrade\n`);
        expect(again.stderr).toContain("release 1400 is not newer than the host's release 1500");
      });

      it("takes nothing from before its own system was committed, even if it has kept no release yet", async () => {
        const host = await open();
        host.trust([key.publicKey]);
        const rev = await host.commit();
        await prepare(host);
        const answer = await host.order(`switch ${id} ${rev} ${key.release(rev, 1000)}\n`);
        expect(answer).toEqual(refusal("old-release", "release 1000 is not newer than the host's release 1000"));
        expect(await host.order(`switch ${id} ${rev} ${key.release(rev, 1001)}\n`)).toEqual(taken("building"));
      });

      it("goes back to a system that has run on it, by its path and a new release", async () => {
        const host = await open();
        const former = host.running();
        host.trust([key.publicKey]);
        const rev = await host.commit();
        await keep(host, "1".repeat(16), rev, key.release(rev, 2000));
        await keep(host, "2".repeat(16), former, key.release(former, 2001));
        expect([host.running(), host.lastRelease()]).toEqual([former, "2001"]);
      });
    });

    it.each(["store path", "source"])("takes no %s without keys", async (what) => {
      const { host } = await changing();
      const answer = await host.order(`switch ${id} ${what === "source" ? sourceOn(host) : host.running()}\n`);
      const why = "this host trusts no keys (clawdlets:systemKeys), so it accepts no system that was built elsewhere";
      expect(answer).toEqual(refusal("no-keys", why));
    });

    it("accepts an order without a newline, and reads only the first line", async () => {
      const host = await open();
      expect(await host.order(`prepare ${id} ${tokenSum} 60\ncancel ${id}\n`)).toEqual(taken("prepared"));
      expect(await host.order(`switch ${id} newest`)).toEqual(taken("building"));
    });

    it.each([["--help"], ["now"], ["run", "x"]])("refuses the arguments %j", async (...args) => {
      expect(await (await open()).order("", ...args)).toEqual(refusal("unknown-order", "it takes no arguments"));
    });

    it("accepts one activation at a time, each id once, and only its own token", async () => {
      const { host, switch: order } = await changing();
      const other = "f".repeat(16);
      expect(await prepare(host, 60, other)).toEqual(refusal("busy", `activation ${id} is prepared`));
      expect(await confirm(host)).toMatchObject({ exitCode: 3, stderr: expect.stringContaining("it is prepared") });
      expect(await host.order(`switch ${other} newest\n`)).toEqual(
        refusal("not-prepared", `activation ${other} is not prepared`),
      );
      await order();
      expect(await order()).toEqual(refusal("not-prepared", `activation ${id} is not prepared`));
      await comesTo(host, "waiting");
      expect(await host.order(`confirm ${id} ${"0".repeat(64)}\n`)).toEqual(refusal("wrong-token", "another token"));
      expect(await confirm(host, other)).toEqual(refusal("not-current", `this host has no activation ${other}`));
      expect(host.state().phase).toBe("waiting");
      await confirm(host);
      await ends(host);
      expect(await prepare(host)).toEqual(refusal("ended", `activation ${id} has ended`));
    });
  });
});
