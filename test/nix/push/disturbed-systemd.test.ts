import { afterEach, expect, it, onTestFinished, vi } from "vitest";
import { exitCodes } from "../../../core/base/exit-codes.ts";
import { describeWith } from "../../_needs.ts";
import { quoted } from "../_private-machine.ts";
import type { Break, SystemFiles } from "../systemd/_system-files.ts";
import { SystemdHost } from "../systemd/_systemd-host.ts";
import { Pushing } from "./_pushing.ts";

// A machine boots, and its deadline passes, on machines that do other things as well.
vi.setConfig({ testTimeout: 180_000 });
afterEach(() => void vi.unstubAllEnvs());

const waitFor = { timeout: 60_000, interval: 50 };
const deadline = 20;

/** Lines of a derivation that make a system of these parts. */
function linesOf({ files, links }: SystemFiles): string {
  const all = [...Object.keys(files), ...Object.keys(links)];
  const folders = new Set(all.map((path) => path.split("/").slice(0, -1).join("/")));
  return [
    ...[...folders].map((folder) => `mkdir -p "$out/${folder}"`),
    ...Object.entries(files).map(([path, text]) => `printf %s ${quoted(text)} >"$out/${path}"`),
    ...Object.entries(links).map(([path, target]) => `ln -s ${quoted(target)} "$out/${path}"`),
    'chmod 755 "$out"/bin/*',
  ].join("\n");
}

/** A host under systemd with a real nix, and the project that its systems come from. */
async function lab() {
  const pushing = await Pushing.create();
  const host = await SystemdHost.open(onTestFinished, { keys: [pushing.key.publicKey], realNix: true });
  const reports: string[] = [];

  /** Commits a system and rebuilds. @param lines of its `switch-to-configuration`, once it has switched half */
  async function change(breaks: readonly Break[] = [], lines = "") {
    await pushing.operator.commit(linesOf(host.filesOf("next", breaks, lines)));
    return await pushing.change(host.route, deadline, (text) => void reports.push(text));
  }
  const phase = () => (host.script.exists("state/state.json") ? host.script.state().phase : "none yet");
  const comesTo = (wanted: string) => vi.waitUntil(() => phase() === wanted, waitFor);
  return { host, change, comesTo, reports };
}

type Lab = Awaited<ReturnType<typeof lab>>;
const said = async (host: SystemdHost, ...words: string[]) => (await host.machine.run(...words)).stdout;

/** Everything is as before the change, nothing is pending, and the next change succeeds. */
async function expectUnchanged({ host, change, reports }: Lab, result: unknown, why: string): Promise<void> {
  expect(result, `${reports.join("\n")}\n${host.journal}`).toMatchObject({
    exitCode: exitCodes.returned,
    message: expect.stringMatching(/NOT CHANGED\. It still runs \/nix\/store\/.*-former with the previous secrets: /),
  });
  expect(String(result)).toContain(why);
  expect(host.former).toMatch(/^\/nix\/store\/[0-9a-z]{32}-former$/);
  expect([host.script.running(), host.script.chosen(), host.bootDefault]).toEqual(Array(3).fill(host.former));
  expect(host.script.state()).toMatchObject({ phase: "done", result: "returned", from: host.former });
  for (const root of ["wanted", "former"]) expect(host.script.exists(`state/${root}`), root).toBe(false);
  const left = ["systemctl", "list-units", "--all", "--plain", "--no-legend"];
  expect(await said(host, ...left, "clawdlets-activation.service", "run-*")).toBe("");
  expect(await said(host, ...left, "--failed")).toBe("");
  await expectNext({ host, change });
}

async function expectNext({ host, change }: Pick<Lab, "host" | "change">): Promise<void> {
  expect(await change(), host.journal).toMatchObject({ changed: true });
  const { to } = host.script.state();
  expect(to).toMatch(/^\/nix\/store\/[0-9a-z]{32}-nixos-system-web-1$/);
  expect([host.script.running(), host.script.chosen(), host.bootDefault]).toEqual([to, to, to]);
}

const programs = ["unshare", "nsenter", "setpriv", "systemctl", "sshd", "ssh", "sudo", "nft", "ip", "python3", "git"];
const nix = ["nix", "nix-store", "nix-env", "nix-daemon"];

describeWith(
  { programs: [...programs, ...nix], root: true, cgroup: true },
  "a pushed system, with the real nix, systemd, sshd, sudo and nft",
  () => {
    it("is switched to, and boots after a power cut", async () => {
      const { host, change } = await lab();
      await expectNext({ host, change });
      const { to } = host.script.state();
      await host.reboot();
      expect(host.script.running()).toBe(to);
      expect(await said(host, "readlink", "-f", "/run/current-system")).toBe(to);
    });

    it.each<[Break, string]>([
      ["sshd-start", "switching to it failed with status 4"],
      ["sshd-login", `not confirmed within ${deadline} s`],
      ["firewall", `not confirmed within ${deadline} s`],
      ["tailnet-start", "switching to it failed with status 4"],
      ["tailnet-login", `not confirmed within ${deadline} s`],
      ["health", "a health command failed"],
    ])("that breaks %s is rolled back, and the next one is taken", async (what, why) => {
      const it = await lab();
      await expectUnchanged(it, await it.change([what]), why);
    });

    it.each<[string, Break[]]>([
      ["works", []],
      ["has a broken sshd", ["sshd-start"]],
      ["has a firewall that blocks SSH", ["firewall"]],
      ["has no tailnet", ["tailnet-login"]],
    ])("that %s boots after a power cut during the switch, and is rolled back there", async (_, breaks) => {
      const it = await lab();
      const changed = it.change(breaks, "sleep 600");
      await it.comesTo("switching");
      await vi.waitUntil(() => it.host.bootDefault !== it.host.former, waitFor);
      await it.host.reboot();
      await expectUnchanged(it, await changed, "its run was interrupted while switching");
      expect(it.host.script.log).toContain("former switch");
    });

    it("that nobody has confirmed before a power cut is rolled back after it", async () => {
      const it = await lab();
      const changed = it.change([], "sleep 1");
      await it.comesTo("switching");
      it.host.network.cut();
      await it.comesTo("waiting");
      await it.host.machine.losePower();
      it.host.script.letDeadlinePass(); // The power was away for so long.
      await it.host.reboot();
      it.host.network.restore();
      await expectUnchanged(it, await changed, `not confirmed within ${deadline} s`);
    });
  },
);
