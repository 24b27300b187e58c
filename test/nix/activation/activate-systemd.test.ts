import { describe, expect, it, vi } from "vitest";
import { UserError } from "../../../core/base/errors.ts";
import { exitCodes } from "../../../core/base/exit-codes.ts";
import { type Activated, activate } from "../../../core/host/activation/activate.ts";
import { giveOrder, readActivation } from "../../../core/host/activation/orders.ts";
import { ssh } from "../../../core/host/reach/ssh.ts";
import { describeWith } from "../../_needs.ts";
import { type Break, SystemdHost } from "../systemd/_systemd-host.ts";
import { signingKey, token, tokenSum } from "./_activating-host.ts";

const { signal } = new AbortController();
const id = "0123456789abcdef";
const waitFor = { timeout: 60_000, interval: 50 };

const key = signingKey("one");
/** Where a system comes from. nix is a stand-in here; test/nix/push/disturbed-systemd runs the same table with the real nix. */
type Origin = "built on the host" | "pushed and signed";
const origins: readonly Origin[] = ["built on the host", "pushed and signed"];

const open = (atEnd: (work: () => Promise<void>) => void, origin: Origin) =>
  SystemdHost.open(atEnd, { keys: origin === "pushed and signed" ? [key.publicKey] : [] });

/** The next system of a host. @returns what to order */
async function next(host: SystemdHost, origin: Origin, breaks: readonly Break[] = [], lines = ""): Promise<string> {
  return origin === "pushed and signed" ? host.push("next", breaks, lines) : await host.commit("next", breaks, lines);
}

/** With what a host that trusts the key wants to see. */
const signed = (rev: string) => (rev.startsWith("/") ? `${rev} ${key.release(rev, 2000)}` : rev);
const sign = (what: string) => {
  const [number = "", signature = ""] = key.release(what, 2000).split(" ");
  return what.startsWith("/") ? { number: Number(number), signature } : undefined;
};

/** Seconds that a loaded machine has for a change. Where it has to pass, {@link unconfirmed} lets it. */
const deadline = 60;

/** What `clawdlets rebuild` does once it has a route. @param onTry called before each connection @returns the result, or the error */
async function change(
  host: SystemdHost,
  rev: string,
  report: (text: string) => void = () => undefined,
  onTry: () => void = () => undefined,
): Promise<Activated | UserError> {
  const route = async () => {
    onTry();
    return { route: host.route };
  };
  const way = { host: "web-1", route, rev, sign, deadlineSeconds: deadline, report, signal };
  return await activate({ ...way, limits: { build: 60, silence: 60 } }).catch((error: unknown) => {
    if (error instanceof UserError) return error;
    throw error;
  });
}

/** The same for a system that stops at a phase: once a whole attempt to reach it has come to nothing there, its deadline passes. */
async function unconfirmed(host: SystemdHost, rev: string, phase: string): Promise<Activated | UserError> {
  let tries = 0;
  const changing = change(host, rev, undefined, () => {
    tries += 1;
  });
  await comesTo(host, phase);
  const before = tries;
  await vi.waitUntil(() => tries >= before + 2, waitFor);
  host.script.write("uptime", "9999.00 9999.00\n");
  return await changing;
}

/** Gives the same orders without waiting for the result. @throws if one is refused */
async function order(host: SystemdHost, rev: string): Promise<void> {
  for (const text of [`prepare ${id} ${tokenSum} 600`, `switch ${id} ${signed(rev)}`]) {
    const answer = await giveOrder(host.route, text, signal);
    if (answer.kind !== "taken") throw new Error(`${text}: ${JSON.stringify(answer)}`);
  }
}

const seen = (host: SystemdHost) => readActivation(host.route, signal, 5);
const phaseOf = (host: SystemdHost) =>
  host.script.exists("state/state.json") ? host.script.state().phase : "none yet";
const comesTo = (host: SystemdHost, phase: string) => vi.waitUntil(() => phaseOf(host) === phase, waitFor);

/** It answers over a new connection, and runs the former system. */
async function expectFormer(host: SystemdHost): Promise<void> {
  const sight = await vi.waitUntil(() => seen(host), waitFor);
  expect(sight.systemPath, host.journal).toBe(host.script.former);
  expect(host.script.chosen()).toBe(host.script.former);
  expect(sight.state).toMatchObject({ phase: "done", result: "returned" });
}

const programs = ["unshare", "nsenter", "setpriv", "systemctl", "sshd", "ssh", "sudo", "nft", "ip", "python3", "git"];

describeWith({ programs, root: true, cgroup: true }, "clawdlets-activate under a systemd of its own", () => {
  describe("with real seconds", { concurrent: true, timeout: 180_000 }, () => {
    it("the trap: a switch within an ssh session dies with it, and the host runs neither system", async ({
      onTestFinished,
      expect: is,
    }) => {
      const host = await SystemdHost.open(onTestFinished, { more: "admin ALL=(root) NOPASSWD: ALL\n" });
      await host.commit("next");
      const command = `sudo -n ${host.script.folder}/store/next/bin/switch-to-configuration switch`;
      is((await ssh(host.route, command, { timeoutSeconds: 5, signal })).exitCode).toBe(255);
      is(host.script.log).toEqual(["next switch"]);
      is(await seen(host)).toBeUndefined(); // And it stays unreachable: no process is left to continue the switch.
      is((await host.machine.run("systemctl", "is-active", "sshd.service")).stdout).toBe("inactive");
      is(host.script.running()).toBe(host.script.former);
    });
  });

  describe.each(origins)("with real seconds, %s", { concurrent: true, timeout: 180_000 }, (origin) => {
    it("the cure: the unit outlives the session, sshd and the manager, and the token is sent again", async ({
      onTestFinished,
      expect: is,
    }) => {
      const host = await open(onTestFinished, origin);
      const rev = await next(host, origin);
      const told: string[] = [];
      const result = await change(host, rev, (text) => told.push(text));
      is(result, host.journal).toMatchObject({ changed: true, rev, bootId: "boot-1" });
      is(host.script.log).toEqual(["profile next", "next boot", "next switch"]);
      is((await seen(host))?.systemPath).toMatch(/next$/);
    });

    it.for<[Break, string, string?]>([
      ["sshd-start", "switching to it failed with status 4"],
      ["sshd-login", `not confirmed within ${deadline} s`, "waiting"],
      ["firewall", `not confirmed within ${deadline} s`, "waiting"],
      ["tailnet-start", "switching to it failed with status 4"],
      ["tailnet-login", `not confirmed within ${deadline} s`, "waiting"],
      ["health", "a health command failed", "checking"],
    ])(
      "a system that breaks %s is rolled back, and the operator sees an error",
      async ([what, why, stopsAt], { onTestFinished, expect: is }) => {
        const host = await open(onTestFinished, origin);
        const rev = await next(host, origin, [what]);
        const result = await (stopsAt === undefined ? change(host, rev) : unconfirmed(host, rev, stopsAt));
        is(result, host.journal).toMatchObject({
          exitCode: exitCodes.returned,
          message: is.stringMatching(/NOT CHANGED\. It still runs .*former/),
        });
        is(String(result)).toContain(why);
        await expectFormer(host);
      },
    );

    it("a network that fails during the switch and recovers in time does no harm", async ({
      onTestFinished,
      expect: is,
    }) => {
      const host = await open(onTestFinished, origin);
      const rev = await next(host, origin, [], "sleep 1");
      const changing = change(host, rev);
      await comesTo(host, "switching");
      host.network.cut();
      await comesTo(host, "waiting");
      host.network.restore();
      is(await changing, host.journal).toMatchObject({ changed: true });
    });

    it.for(["switching", "checking", "waiting"])(
      "systemd kills the run while it is %s: the timer's watch rolls back",
      async (phase, { onTestFinished }) => {
        const host = await open(onTestFinished, origin);
        const lines = phase === "switching" ? "sleep 600" : "";
        const rev = await next(host, origin, phase === "checking" ? ["health"] : [], lines);
        await order(host, rev);
        await comesTo(host, phase);
        await host.machine.run("systemctl", "kill", "--signal=KILL", "clawdlets-activation.service");
        if (phase === "waiting") host.script.letDeadlinePass();
        await comesTo(host, "done");
        await expectFormer(host);
      },
    );

    it.for(["switching", "waiting"])(
      "power is lost while it is %s: the unit that starts at boot rolls back",
      async (phase, { onTestFinished, expect: is }) => {
        const host = await open(onTestFinished, origin);
        const rev = await next(host, origin, [], phase === "switching" ? "sleep 600" : "");
        await order(host, rev);
        await comesTo(host, phase);
        if (phase === "waiting") host.script.letDeadlinePass();
        await host.reboot();
        await comesTo(host, "done");
        await expectFormer(host);
        is(host.script.state().bootId).toBe("boot-2");
      },
    );

    it("confirmed after a reboot in time, it stays", async ({ onTestFinished, expect: is }) => {
      const host = await open(onTestFinished, origin);
      const rev = await next(host, origin);
      await order(host, rev);
      await comesTo(host, "waiting");
      await host.reboot();
      await vi.waitUntil(() => host.script.state().bootId === "boot-2", waitFor);
      await giveOrder(host.route, `confirm ${id} ${token}`, signal);
      await comesTo(host, "done");
      is(host.script.state()).toMatchObject({ result: "switched", bootId: "boot-2" });
      is((await seen(host))?.systemPath).toMatch(/next$/);
    });
  });
});
