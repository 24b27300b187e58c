import { expect, it } from "vitest";
import { describeWith } from "../_needs.ts";
import { ActivatingHost } from "./_activating-host.ts";

const ends = async (host: ActivatingHost) => {
  await expect.poll(() => host.state().phase, { timeout: 25_000, interval: 50 }).toBe("done");
  return host.state();
};
const comesTo = (host: ActivatingHost, phase: string) =>
  expect.poll(() => host.state().phase, { timeout: 25_000, interval: 20 }).toBe(phase);
const former = { running: "former", profile: "former" };
const placesOf = ({ running, profile }: ActivatingHost) => ({ running, profile });

/** A host with a commit whose system is `next`, and its secrets changed since `prepare`. */
async function changing(system: Parameters<ActivatingHost["system"]>[1] = {}, seconds = 60) {
  const host = await ActivatingHost.open();
  host.system("next", system);
  const rev = await host.commit("next");
  expect(await host.prepare(seconds)).toMatchObject({ exitCode: 0, stderr: "" });
  host.write("hosts/web-1/alpha.yaml", "new\n");
  return { host, rev };
}
const secret = (host: ActivatingHost) => host.read("hosts/web-1/alpha.yaml");

describeWith({ programs: ["bash", "git", "flock", "setsid", "ps"] }, "clawdlets-activate", () => {
  it("boots first, then switches, and stays when the token comes", async () => {
    const { host, rev } = await changing();
    expect(await host.switch(rev)).toMatchObject({ exitCode: 0 });
    await comesTo(host, "waiting");
    expect(placesOf(host)).toEqual({ running: "next", profile: "next" });
    expect(host.log.filter((line) => !line.startsWith("systemctl"))).toEqual([
      "profile next",
      "next boot",
      "next switch",
    ]);
    expect(await host.confirm()).toMatchObject({ exitCode: 0 });
    expect(await ends(host)).toMatchObject({ result: "switched", rev, bootId: "boot-1", why: "" });
    expect(secret(host)).toBe("new\n");
    expect(host.exists("hosts/.web-1.kept")).toBe(false);
    expect((await host.confirm()).exitCode).toBe(0); // Its answer may have been lost.
  });

  it("keeps the token's sum out of what everybody may read", async () => {
    const { host } = await changing();
    expect(host.read("state/state")).toMatch(/^token=[0-9a-f]{64}$/m);
    expect(host.read("state/state.json")).not.toMatch(/token|[0-9a-f]{64}/);
  });

  it("goes back by itself, secrets included, when nobody confirms", async () => {
    const { host, rev } = await changing({}, 60);
    await host.switch(rev);
    await comesTo(host, "waiting");
    host.write("broken-sshd.service", "");
    await host.kill();
    host.letTimePass();
    await host.watch();
    expect(await ends(host)).toMatchObject({
      result: "returned",
      why: "nobody confirmed within 60 s that it can be reached",
    });
    expect(placesOf(host)).toEqual(former);
    expect(secret(host)).toBe("old\n");
    expect(host.log).toContain("systemctl restart sops-install-secrets.service");
    expect(host.log).toContain("systemctl restart sshd.service");
    expect(host.log).not.toContain("systemctl restart nftables.service"); // It ran.
    expect((await host.confirm()).stderr).toContain("refused");
  });

  it("keeps its own deadline, in seconds that pass", async () => {
    const { host, rev } = await changing({}, 10);
    await host.switch(rev);
    expect(await ends(host)).toMatchObject({ result: "returned" });
    expect(placesOf(host)).toEqual(former);
  });

  it.each([
    ["cannot be chosen for the boot", '[ "$1" != boot ]', "could not be chosen"],
    ["fails while switching", '[ "$1" != switch ] || exit 4', "ended with status 4"],
    ["hangs while switching", '[ "$1" != switch ] || sleep 600', "ended with status 124"],
  ])("goes back from a system that %s", async (_, line, why) => {
    const { host, rev } = await changing({ lines: `${line} || exit 1` }, 10);
    await host.switch(rev);
    expect(await ends(host)).toMatchObject({ result: "returned", why: expect.stringContaining(why) });
    expect(placesOf(host)).toEqual(former);
    expect(secret(host)).toBe("old\n");
  });

  it("goes back when a health command fails until the deadline", async () => {
    const { host, rev } = await changing({}, 10);
    host.more = { HEALTH_COMMANDS: "true\nfalse" };
    await host.switch(rev);
    expect(await ends(host)).toMatchObject({ result: "returned", why: "a health command fails: false" });
    expect(placesOf(host)).toEqual(former);
  });

  it.each([
    ["does not build", { rev: "missing" }, "the build of"],
    ["could not go back by itself", { rev: "blind" }, "clawdlets-activation-watch"],
    ["is of another branch", { rev: "other" }, "is no commit of the branch main"],
  ])("changes nothing for a system that %s", async (_, { rev: kind }, why) => {
    const { host } = await changing();
    host.system("blind", { watches: false });
    const rev = await host.commit(kind === "other" ? "next" : kind, kind === "other" ? "other" : "main");
    await host.switch(rev);
    expect(await ends(host)).toMatchObject({ result: "returned", to: "", why: expect.stringContaining(why) });
    expect(placesOf(host)).toEqual(former);
    expect(host.log.filter((line) => /switch|boot|profile/.test(line))).toEqual([]);
    expect(secret(host)).toBe("old\n");
  });

  it("takes the newest commit of the branch where none is named", async () => {
    const { host } = await changing();
    const newest = await host.commit("next");
    await host.switch("newest");
    await comesTo(host, "waiting");
    expect(host.state().rev).toBe(newest);
  });

  it("takes the generation before, and says when there is none", async () => {
    const { host, rev } = await changing();
    await host.switch(rev);
    await comesTo(host, "waiting");
    await host.confirm();
    await ends(host);
    const again = "a".repeat(16);
    await host.prepare(60, again);
    await host.order(`switch ${again} previous\n`);
    await comesTo(host, "waiting");
    expect(placesOf(host)).toEqual(former);
    const fresh = await ActivatingHost.open();
    await fresh.prepare();
    await fresh.switch("previous");
    expect(await ends(fresh)).toMatchObject({ result: "returned", why: "there is no earlier generation" });
  });

  it.each([
    ["right after prepare", "prepared"],
    ["while it waits", "waiting"],
  ])("a host that reboots %s runs the former or the wanted system, and ends with the former", async (_, phase) => {
    const { host, rev } = await changing();
    if (phase === "waiting") await host.switch(rev);
    await comesTo(host, phase);
    await host.reboot();
    host.letTimePass();
    await host.watch();
    expect(await ends(host)).toMatchObject({ result: "returned", bootId: "boot-2" });
    expect(placesOf(host)).toEqual(former);
    expect(secret(host)).toBe("old\n");
  });

  it("a host that rebooted in time can still be confirmed", async () => {
    const { host, rev } = await changing();
    await host.switch(rev);
    await comesTo(host, "waiting");
    await host.reboot();
    const watching = host.watch();
    await expect.poll(() => host.state().bootId, { timeout: 25_000 }).toBe("boot-2");
    expect((await host.confirm()).exitCode).toBe(0);
    await watching;
    expect(host.state()).toMatchObject({ phase: "done", result: "switched" });
    expect(placesOf(host)).toEqual({ running: "next", profile: "next" });
  });

  it("reboots before the confirmation where the kernel changed and that is asked for", async () => {
    const { host, rev } = await changing({ kernel: "linux-2" });
    host.more = { REBOOT: "1" };
    await host.switch(rev);
    await expect.poll(() => host.exists("rebooting"), { timeout: 25_000 }).toBe(true);
    expect((await host.confirm()).exitCode).toBe(3);
    await host.reboot();
    const watching = host.watch();
    await comesTo(host, "waiting");
    await host.confirm();
    await watching;
    expect(host.state()).toMatchObject({ result: "switched", bootId: "boot-2" });
  });

  it("goes back when its run is killed while it switches", async () => {
    const { host, rev } = await changing({ lines: '[ "$1" != switch ] || sleep 600' });
    await host.switch(rev);
    await expect.poll(() => host.log, { timeout: 25_000 }).toContain("next switch");
    await host.kill();
    await host.watch();
    expect(host.state()).toMatchObject({
      phase: "done",
      result: "returned",
      why: "its run was interrupted while switching",
    });
    expect(placesOf(host)).toEqual(former);
  });

  it("leaves a run that is at work alone", async () => {
    const { host, rev } = await changing();
    await host.switch(rev);
    await comesTo(host, "waiting");
    host.letTimePass();
    await host.watch();
    expect(host.state().phase).toBe("waiting");
  });

  it("reboots into the former system where that does not start again", async () => {
    const { host, rev } = await changing();
    await host.switch(rev);
    await comesTo(host, "waiting");
    await host.kill();
    host.letTimePass();
    host.write("store/former/bin/switch-to-configuration", '#!/bin/sh\n[ "$1" = boot ]\n');
    await host.watch();
    expect(host.exists("rebooting")).toBe(true);
    expect(host.state().phase).toBe("returning");
    await host.reboot();
    await host.watch();
    expect(host.state()).toMatchObject({ phase: "done", result: "returned" });
    expect(placesOf(host)).toEqual(former);
  });

  it("leaves the secrets where the identity was changed meanwhile: it may not open the old ones", async () => {
    const { host } = await changing();
    host.write("key", "AGE-SECRET-KEY-1Y\n");
    await host.order(`cancel ${host.id}\n`);
    expect(host.state()).toMatchObject({ result: "returned", why: "cancelled" });
    expect(secret(host)).toBe("new\n");
  });

  it("stops a build that is cancelled before it changes anything", async () => {
    const { host, rev } = await changing();
    host.program("nix-store", "sleep 1; exit 0");
    await host.switch(rev);
    expect((await host.order(`cancel ${host.id}\n`)).exitCode).toBe(0);
    expect(await ends(host)).toMatchObject({ result: "returned", why: "cancelled", to: "" });
    expect(host.log.filter((line) => /^next|profile/.test(line))).toEqual([]);
  });

  it.each([
    "",
    "status",
    "prepare x y 60",
    `prepare ${"0".repeat(16)} ${"0".repeat(64)} 5`,
    `prepare ${"0".repeat(16)} ${"0".repeat(64)} 3601`,
    `prepare ${"0".repeat(16)} ${"0".repeat(64)} 60 more`,
    `switch ${"0".repeat(16)} main`,
    `switch ${"0".repeat(16)} ${"0".repeat(40)}`,
    `switch ${"0".repeat(16)} ${"0".repeat(40)}#x`,
    `confirm ${"0".repeat(16)} ${"0".repeat(64)}`,
    `cancel ${"0".repeat(16)}`,
    `run ${"0".repeat(16)}`,
  ])("refuses %j", async (order) => {
    const host = await ActivatingHost.open();
    const { exitCode, stderr, stdout } = await host.order(`${order}\n`);
    expect(stderr).toContain("clawdlets-activate: refused, nothing changed: ");
    expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: "" });
    expect(host.log).toEqual([]);
  });

  it("takes one activation at a time, each id once, and no token but its own", async () => {
    const { host, rev } = await changing();
    expect((await host.prepare(60, "f".repeat(16))).stderr).toContain(`the activation ${host.id} is prepared`);
    expect((await host.confirm()).exitCode).toBe(3);
    await host.switch(rev);
    expect((await host.switch(rev)).stderr).toContain("is not prepared");
    await comesTo(host, "waiting");
    expect((await host.confirm("0".repeat(64))).stderr).toContain("another token");
    expect(host.state().phase).toBe("waiting");
    await host.confirm();
    await ends(host);
    expect((await host.prepare()).stderr).toContain("is over");
  });
});
