import { randomUUID } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect, it, vi } from "vitest";
import { giveOrder } from "../../../core/host/activation/orders.ts";
import { describeWith } from "../../_needs.ts";
import { temporaryFolder } from "../../_project.ts";
import { evaluate } from "../_nix.ts";
import { token, tokenSum } from "../activation/_activating-host.ts";
import { LockHolder, lockHolderProgram } from "./_lock-holder.ts";
import { SystemdHost } from "./_systemd-host.ts";
import { SystemdMachine } from "./_systemd-machine.ts";

const { signal } = new AbortController();
const id = "0123456789abcdef";
const waitFor = { timeout: 60_000, interval: 50 };
const order = (host: SystemdHost, text: string) => giveOrder(host.route, text, signal);
const comesTo = (host: SystemdHost, phase: string) => vi.waitUntil(() => host.script.state().phase === phase, waitFor);

const programs = ["unshare", "nsenter", "setpriv", "systemctl", "sshd", "ssh", "sudo", "nft", "ip", "python3", "git"];

describeWith({ programs, root: true, cgroup: true }, "a process that locks every file it can read on the host", () => {
  async function waiting(onTestFinished: (work: () => Promise<void>) => void) {
    const host = await SystemdHost.open(onTestFinished);
    const holder = await LockHolder.start(host, "/run", "/var");
    const rev = await host.commit("next");
    expect(await order(host, `prepare ${id} ${tokenSum} 600`)).toMatchObject({ kind: "taken" });
    await holder.takeAll();
    expect(await order(host, `switch ${id} ${rev}`)).toMatchObject({ kind: "taken" });
    await comesTo(host, "waiting");
    await holder.takeAll();
    return { host, holder };
  }

  it("does not keep the host from rolling back", { timeout: 120_000 }, async ({ onTestFinished }) => {
    const { host, holder } = await waiting(onTestFinished);
    host.script.letDeadlinePass();
    await host.machine.run("systemctl", "kill", "--signal=KILL", "clawdlets-activation.service");
    await comesTo(host, "done");
    expect(host.script.state()).toMatchObject({ result: "returned" });
    expect(host.script.running()).toBe(host.script.former);
    expect(holder.held.length).toBeGreaterThan(10); // It was at work.
    expect(holder.held.filter((path) => path.endsWith(".lock"))).toEqual([]);
  });

  it("does not keep a confirmation from being taken", { timeout: 120_000 }, async ({ onTestFinished }) => {
    const { host } = await waiting(onTestFinished);
    expect(await order(host, `confirm ${id} ${token}`)).toMatchObject({ kind: "taken" });
    await comesTo(host, "done");
    expect(host.script.state()).toMatchObject({ result: "switched" });
  });

  it("that has taken the lock of switch-to-configuration before we came holds it no longer", {
    timeout: 120_000,
  }, async ({ onTestFinished }) => {
    const host = await SystemdHost.open(onTestFinished);
    await host.machine.run("sh", "-c", "mkdir -p /run/nixos && : >/run/nixos/switch-to-configuration.lock");
    const holder = await LockHolder.start(host, "/run");
    expect(holder.held).toContain("/run/nixos/switch-to-configuration.lock");
    const rev = await host.commit("next");
    await order(host, `prepare ${id} ${tokenSum} 600`);
    await order(host, `switch ${id} ${rev}`);
    await comesTo(host, "waiting");
    expect(host.script.running()).toMatch(/next$/);
  });
});

/** Files that root's programs lock, or wait for, and that everybody may read. */
const lockFiles = [
  "/run/lock/other.lock",
  "/run/mount/utab.lock",
  "/run/nixos/switch-to-configuration.lock",
  "/run/utmp",
  "/var/log/wtmp",
  "/nix/var/nix/db/db.sqlite",
];
const home = "/srv/clawdbot/maren";

describeWith(
  { programs: ["unshare", "systemctl", "python3", "nix-instantiate"], root: true, cgroup: true },
  "a bot in its own unit",
  () => {
    /** A machine on which a bot locks all that it can open, in its real unit. @returns what it holds, and its secret */
    async function bot(onTestFinished: (work: () => Promise<void>) => void, dropIn: string) {
      const folder = temporaryFolder();
      const put = (path: string, text: string) => {
        mkdirSync(dirname(join(folder, path)), { recursive: true });
        writeFileSync(join(folder, path), text);
      };
      put("etc/passwd", "root:x:0:0::/root:/bin/sh\nbot-maren:x:45584:45584::/srv/clawdbot/maren:/bin/sh\n");
      put("etc/group", "root:x:0:\nbot-maren:x:45584:\nnogroup:x:65534:\n");
      put("etc/hold.py", lockHolderProgram);
      const command = `/usr/bin/python3 /etc/hold.py ${home}/held /run /var /nix`;
      const unit = await evaluate(
        `(import ./nix/lib/bot-unit.nix).file { name = "maren"; command = "${command}"; secrets = [ "discord_token_maren" ]; }`,
      );
      put("etc/systemd/system/clawdbot-maren.service", String(unit));
      put("etc/systemd/system/clawdbot-maren.service.d/egress.conf", dropIn);
      for (const path of ["log/wtmp", "tmp/.keep"]) put(`var/${path}`, "");
      const plant = lockFiles.map((path) => `mkdir -p .$(dirname ${path}) && : >>.${path} && chmod 644 .${path}`);
      const steps = [
        "mkdir -p run/secrets run/nscd run/systemd/resolve run/systemd/journal .DIR && chown 45584:45584 .DIR",
        "echo canary >run/secrets/discord_token_maren && echo resolver >run/systemd/resolve/stub-resolv.conf",
        ...plant,
      ].join("\n");
      const machine = new SystemdMachine(folder, steps.replaceAll(".DIR", `.${home}`));
      onTestFinished(() => machine.losePower());
      await machine.boot(randomUUID()); // PrivateTmp takes its folder's name from it.
      const { exitCode, all } = await machine.run("systemctl", "start", "clawdbot-maren.service");
      if (exitCode !== 0) throw new Error(all);
      const held = async () => (await machine.run("cat", `${home}/held`)).stdout.split("\n");
      await vi.waitUntil(async () => Number((await held())[0]) >= 2, { timeout: 60_000, interval: 50 });
      const main = await machine.run("systemctl", "show", "--value", "--property=MainPID", "clawdbot-maren.service");
      const inside = async (...words: string[]) =>
        await machine.run("nsenter", `--target=${main.stdout.trim()}`, "--mount", "--root", ...words);
      return { held: await held(), inside };
    }

    it("can lock nothing that root's programs lock", { timeout: 120_000 }, async ({ onTestFinished }) => {
      const { held, inside } = await bot(onTestFinished, "");
      expect(held.length).toBeGreaterThan(3); // It was at work.
      expect(held.filter((path) => lockFiles.includes(path))).toEqual([]);
      expect((await inside("ls", "/run")).stdout.split("\n")).toEqual(["credentials", "nscd", "systemd"]);
      expect((await inside("ls", "/run/systemd")).stdout.split("\n")).toEqual(["incoming", "journal", "resolve"]);
      // What it needs of /run is there.
      expect((await inside("ls", "/run/credentials")).stdout).toBe("clawdbot-maren.service");
      expect((await inside("cat", "/run/systemd/resolve/stub-resolv.conf")).stdout).toBe("resolver");
    });

    it("sees no resolver where the egress policy hides them", { timeout: 120_000 }, async ({ onTestFinished }) => {
      const units = await evaluate(`(import ./nix/lib/egress/units.nix).bot { mode = "proxy-allowlist"; }`);
      const { InaccessiblePaths } = units as { InaccessiblePaths: string[] };
      const lines = InaccessiblePaths.map((path) => `InaccessiblePaths=${path}\n`).join("");
      const { inside } = await bot(onTestFinished, `[Service]\n${lines}`);
      for (const path of ["/run/nscd/.", "/run/systemd/resolve/stub-resolv.conf"]) {
        expect((await inside("stat", path)).exitCode).toBe(1);
      }
    });
  },
);
