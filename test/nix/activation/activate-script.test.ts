import { execa } from "execa";
import { expect, it } from "vitest";
import { readRefusal } from "../../../core/host/reach/refusal.ts";
import { describeWith } from "../../_needs.ts";
import { token, tokenSum } from "./_activating-host.ts";
import { ActivatingScript, script } from "./_activating-script.ts";

/** What only the real script can show: the order of its steps, and what remains if it is killed between any two. */
const id = "0123456789abcdef";
const within = { timeout: 25_000, interval: 20 };

const comesTo = (host: ActivatingScript, phase: string) => expect.poll(() => host.state().phase, within).toBe(phase);

/** A host with an order to switch to a system with these lines in its `switch-to-configuration`. */
async function switching(lines = "", prepare: (host: ActivatingScript) => void = () => undefined) {
  const host = await ActivatingScript.open();
  prepare(host);
  host.system("next", { lines });
  const rev = await host.commitOf("next");
  expect(await host.order(`prepare ${id} ${tokenSum} 600\n`)).toMatchObject({ exitCode: 0, stderr: "" });
  host.changeSecret("new\n");
  expect(await host.order(`switch ${id} ${rev}\n`)).toMatchObject({ exitCode: 0 });
  return host;
}

function expectFormer(host: ActivatingScript): void {
  expect(host.state()).toMatchObject({ phase: "done", result: "returned" });
  const seen = { running: host.running(), chosen: host.chosen(), secret: host.secret(), keeps: host.keepsSecrets() };
  expect(seen).toEqual({ running: host.former, chosen: host.former, secret: "old\n", keeps: false });
}

describeWith({ programs: ["bash", "git", "flock", "setsid", "ps"] }, "clawdlets-activate, the script", () => {
  it("boots first, then switches, and does nothing more", async () => {
    const host = await switching();
    await comesTo(host, "waiting");
    await host.order(`confirm ${id} ${token}\n`);
    await comesTo(host, "done");
    expect(host.log).toEqual(["profile next", "next boot", "next switch"]);
    expect(host.read("state/state")).toContain(`token=${tokenSum}\n`);
  });

  it("restarts services that ssh access needs, if they do not run", async () => {
    const host = await switching();
    await comesTo(host, "waiting");
    host.write("broken-sshd.service", "");
    await host.kill();
    await host.letTimePass();
    expectFormer(host);
    expect(host.log).toContain("systemctl restart sops-install-secrets.service");
    expect(host.log).toContain("systemctl restart sshd.service");
    expect(host.log).not.toContain("systemctl restart nftables.service"); // It ran.
  });

  it.each([
    ["fetching", "git", "fetch", "building"],
    ["building", "nix", "build", "building"],
    ["taking the system", "nix-store", "--realise", "building"],
    ["choosing it", "nix-env", "--set", "switching"],
    ["choosing it for the boot", "switch", "boot", "switching"],
    ["switching", "switch", "switch", "switching"],
  ])("goes back when it is killed while it is %s", async (_, program, word, phase) => {
    const host = await ActivatingScript.open();
    const hangs = `case "$*" in *${word}*) touch '${host.folder}/hangs'; exec sleep 72000 ;; esac`;
    host.system("next", program === "switch" ? { lines: hangs } : {});
    const rev = await host.commitOf("next");
    await host.order(`prepare ${id} ${tokenSum} 600\n`);
    host.changeSecret("new\n");
    if (program !== "switch") host.precede(program, hangs);
    await host.order(`switch ${id} ${rev}\n`);
    await expect.poll(() => host.exists("hangs"), within).toBe(true);
    expect(host.state().phase).toBe(phase);
    await host.kill();
    if (program !== "switch") host.precede(program, "");
    await host.watch();
    expectFormer(host);
    expect(host.state().why).toBe(`its run was interrupted while ${phase}`);
  });

  it.each([
    ["putting the secrets back", "mv", "--exchange"],
    ["starting services with them again", "systemctl", "restart sops-install-secrets.service"],
    ["choosing the former system", "nix-env", "--switch-generation"],
    ["forgetting the generation", "nix-env", "--delete-generations"],
    ["starting services that ssh access needs", "systemctl", "is-active"],
  ])("goes on going back when it is killed while it is %s", async (_, program, words) => {
    const host = await switching('[ "$1" != switch ] || exit 4');
    await comesTo(host, "done"); // Once without a kill, so that the run to be killed below takes the same path.
    expectFormer(host);
    const again = await ActivatingScript.open();
    again.system("next", { lines: '[ "$1" != switch ] || exit 4' });
    const rev = await again.commitOf("next");
    await again.order(`prepare ${id} ${tokenSum} 600\n`);
    again.changeSecret("new\n");
    // After its work is done, and before its caller knows.
    again.follow(program, `case "$*" in *"${words}"*) touch '${again.folder}/hangs'; sleep 72000 ;; esac`);
    await again.order(`switch ${id} ${rev}\n`);
    await expect.poll(() => again.exists("hangs"), within).toBe(true);
    expect(again.state().phase).toBe("returning");
    await again.kill();
    again.follow(program, "");
    await again.watch();
    expectFormer(again);
  });

  it.each([
    ["nix-env", "--set", "could not select it for the next boot"],
    ["nix-store", "--realise", "from garbage collection"],
  ])("rolls back on its own when %s hangs", async (program, word, why) => {
    const host = await ActivatingScript.open();
    host.system("next", {});
    const rev = await host.commitOf("next");
    await host.order(`prepare ${id} ${tokenSum} 600\n`);
    host.changeSecret("new\n");
    host.precede(
      program,
      `[ ! -e '${host.folder}/hung' ] || exec '${host.folder}/inner-${program}' "$@"
case "$*" in *${word}*) touch '${host.folder}/hung'; exec sleep 72000 ;; esac`,
    );
    await host.order(`switch ${id} ${rev}\n`);
    await comesTo(host, "done");
    expectFormer(host);
    expect(host.state().why).toContain(why);
  });

  it("rolls back even if its services hang while they load the former secrets", async () => {
    const host = await switching('[ "$1" != switch ] || exit 4');
    host.precede("systemctl", `case "$*" in *"sops-install-secrets"*) exec sleep 72000 ;; esac`);
    await comesTo(host, "done");
    expectFormer(host);
  });

  it("rolls back at its deadline even if the clock was set back", async () => {
    const host = await switching();
    await comesTo(host, "waiting");
    host.write("uptime", "1000.00 900.00\n"); // The wait started at 100 and should last 600.
    host.program("date", "echo 1000");
    await comesTo(host, "done");
    expectFormer(host);
  });

  it("rolls back even if another run holds the decision lock forever", async () => {
    const host = await switching("", (each) => {
      each.precede("flock", `case "$*" in "--wait 60 8") set -- --wait 1 8 ;; esac`); // The same, sooner.
    });
    await comesTo(host, "waiting");
    const other = execa("flock", ["--no-fork", `${host.folder}/locks/activation-decision.lock`, "sleep", "1000"], {
      reject: false,
    });
    host.write("uptime", "1000.00 900.00\n");
    await comesTo(host, "done");
    expectFormer(host);
    other.kill("SIGKILL");
    await other;
  });

  it("leaves a run that is at work alone", async () => {
    const host = await switching();
    await comesTo(host, "waiting");
    host.letDeadlinePass();
    await host.watch();
    expect(host.state().phase).toBe("waiting");
  });

  it("leaves a run that has just been started alone, before it could say so", async () => {
    const host = await ActivatingScript.open();
    host.write("self", `#!/bin/sh\nsleep 20\nexec bash '${script}' "$@"\n`); // It is slow to begin with.
    const rev = await host.commit();
    await host.order(`prepare ${id} ${tokenSum} 600\n`);
    await host.order(`switch ${id} ${rev}\n`);
    await host.watch();
    expect(host.state().phase).toBe("building");
    await comesTo(host, "waiting");
  });

  it("keeps a confirmed system even if it is killed before it reports that", async () => {
    const host = await switching();
    await comesTo(host, "waiting");
    await host.kill();
    expect(await host.order(`confirm ${id} ${token}\n`)).toMatchObject({ exitCode: 0 });
    await host.letTimePass();
    expect(host.state()).toMatchObject({ phase: "done", result: "switched" });
    expect([host.secret(), host.keepsSecrets()]).toEqual(["new\n", false]);
  });

  it("reboots into the former system if switching back fails", async () => {
    const host = await switching();
    await comesTo(host, "waiting");
    await host.kill();
    host.write("store/former/bin/switch-to-configuration", '#!/bin/sh\n[ "$1" = boot ]\n');
    await host.letTimePass();
    expect([host.isRebooting(), host.state().phase]).toEqual([true, "returning"]);
    await host.reboot();
    await comesTo(host, "done");
    expectFormer(host);
  });

  it("gives up a change whose unit does not start, says so with a code, and has the old secrets again", async () => {
    const host = await ActivatingScript.open();
    host.program("systemd-run", "exit 1");
    host.program("sleep", ":");
    host.system("next", { lines: "" });
    const rev = await host.commitOf("next");
    await host.order(`prepare ${id} ${tokenSum} 600\n`);
    host.changeSecret("new\n");
    const { exitCode, stderr } = await host.order(`switch ${id} ${rev}\n`);
    expect(readRefusal(stderr, exitCode)).toMatchObject({ code: "not-started", hasRefused: true, isMissing: false });
    expectFormer(host);
  });

  it.each([
    ["the disk is full", "cp", "echo 'cp: error writing: No space left on device' >&2; exit 1", "No space left"],
    ["a program is missing", "cp", "echo 'cp: No such file or directory' >&2; exit 127", "cp: No such file"],
  ])("breaks an order off with a code and its reason: %s", async (_, program, lines, reason) => {
    const host = await ActivatingScript.open();
    host.program(program, lines);
    const { exitCode, stderr } = await host.order(`prepare ${id} ${tokenSum} 600\n`);
    const refusal = readRefusal(stderr, exitCode);
    expect(refusal).toMatchObject({ code: "failed", hasRefused: false, isMissing: false });
    expect(refusal.said).toContain(reason);
  });
});
