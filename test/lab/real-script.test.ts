import { chmodSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { publicKeyOf } from "../../core/base/machine/ssh-keys.ts";
import { askHostKey } from "../../core/host/reach/host-key.ts";
import { probePort } from "../../core/host/reach/probe.ts";
import { ssh } from "../../core/host/reach/ssh.ts";
import { packageRoot } from "../../engine/environment.ts";
import { ProcessWatch } from "../engine/_process-watch.ts";
import type { Call } from "./_recorders.ts";
import { InstallerLab, type LabServer } from "./installer-lab.ts";

/** The same facts for every installer that is at hand: the emulator's stand-in, and nixos-anywhere itself where it is named. */
const real = process.env["CLAWDLETS_LAB_NIXOS_ANYWHERE"];
const installers: [name: string, path: string][] = [
  ["the stand-in", join(packageRoot, "emulator", "stand-ins", "nixos-anywhere")],
  ...(real ? [["the real script", real] satisfies [string, string]] : []),
];
if (!real) {
  console.info(
    "The real nixos-anywhere was not run: CLAWDLETS_LAB_NIXOS_ANYWHERE names no src/nixos-anywhere.sh of it.",
  );
}

const githubToken = "github_pat_canary_of_the_lab_0123456789";
const phases = ["kexec", "disko,install", "reboot"];
/** In the words of `ssh -G`. */
const inForce = [
  "stricthostkeychecking true",
  "globalknownhostsfile /dev/null",
  "hostkeyalias clawdbot-fleet-host",
  "hostkeyalgorithms ssh-ed25519",
  "updatehostkeys false",
  "batchmode yes",
  "passwordauthentication no",
  "identityagent none",
  "forwardagent no",
];

describe.each(installers)("clawdlets install with %s", (_name, path) => {
  let lab: InstallerLab;
  let server: LabServer;
  let first: Awaited<ReturnType<InstallerLab["install"]>>;
  let calls: Call[];
  let watch: ProcessWatch;
  const added: [path: string, mode: number][] = [
    ["etc/foo", 0o644],
    ["srv/it's mine/b ar", 0o640],
    ["srv/it is/m ine", 0o604],
    ["opt/run", 0o755],
  ];

  beforeAll(async () => {
    lab = await InstallerLab.open(path, { githubToken });
    for (const [file, mode] of added) {
      const target = join(lab.files.extraFiles, file);
      mkdirSync(dirname(target), { recursive: true });
      writeFileSync(target, `content of ${file}\n`);
      chmodSync(target, mode);
    }
    watch = new ProcessWatch({ githubToken }, () => true);
    server = await lab.createServer();
    first = await lab.install(server);
    calls = lab.calls;
    await watch.stop();
  }, 180_000);

  afterAll(async () => {
    await watch?.stop();
    await lab?.close();
  });

  const byInstaller = (program: string) => calls.filter((call) => call.program === program && call.phases);
  const shows = async (command: string) => {
    const { layout, host, sshPort } = lab.demo;
    const route = {
      address: (await lab.report(server)).tailnetIpv4,
      port: sshPort,
      user: "admin",
      alias: host,
      knownHosts: layout.knownHosts,
      identity: join(layout.root, "operator", "id_ed25519"),
    };
    return (await ssh(route, command, { timeoutSeconds: 20 })).stdout;
  };

  it("installs once, and a second run starts no installer", async () => {
    expect(first.exitCode, `${first.all}\n${lab.log}`).toBe(0);
    expect(JSON.parse(first.stdout)).toMatchObject({ installId: server.installId, installed: true });
    const again = await lab.install(server);
    expect(again.exitCode, again.all).toBe(0);
    expect(JSON.parse(again.stdout)).toMatchObject({ installed: false });
    expect(await lab.report(server)).toMatchObject({ installRuns: 1, diskWipes: 1, os: "nixos" });
    const runs = lab.calls.filter(({ program }) => program === "installer");
    expect(runs.map(({ argv }) => argv[argv.indexOf("--phases") + 1])).toEqual(phases);
    expect(lab.journal).toMatchObject({ state: "done", installId: server.installId });
    expect(await probePort(server.address, lab.demo.sshPort, { timeoutMs: 2000 })).toBe("refused");
  }, 60_000);

  it("goes through the phases in the order that the installer documents", () => {
    const steps = lab.log.split("\n").flatMap((line) => /^### (.+) ###$/.exec(line)?.[1] ?? []);
    const begin = ["Uploading install SSH keys", "Gathering machine facts"];
    expect(steps).toEqual([
      ...begin,
      "Switching system into kexec",
      "Gathering machine facts",
      "Done!",
      ...begin,
      "Formatting hard drive with disko",
      "Uploading the system closure",
      "Copying extra files",
      "Installing NixOS",
      "Done!",
      ...begin,
      "Rebooting",
      "Waiting for the machine to become unreachable due to reboot",
      "Done!",
    ]);
  });

  it("leaves a host that answers with its final key, knows its installation and has every file as it was sent", async () => {
    const address = (await lab.report(server)).tailnetIpv4;
    const known = { final: publicKeyOf(lab.files.hostKey) };
    const answer = await askHostKey({ address, port: lab.demo.sshPort }, known, new AbortController().signal);
    expect(answer).toEqual({ kind: "final" });
    expect(await shows("cat /var/lib/clawdlets/install-id")).toBe(`${server.installId}\n`);
    const own: [string, number][] = [
      ["var/lib/sops-nix/key.txt", 0o400],
      ["var/lib/clawdlets/install-id", 0o444],
      ["etc/ssh/ssh_host_ed25519_key", 0o600],
      ["etc/ssh/ssh_host_ed25519_key.pub", 0o644],
    ];
    const wanted = [...own, ...added];
    const words = wanted.map(([file]) => `'/${file.replaceAll("'", `'\\''`)}'`).join(" ");
    expect(await shows(`stat -c '%a %u %g' / ${words}`)).toBe(
      ["755 0 0", ...wanted.map(([, mode]) => `${mode.toString(8)} 0 0`), ""].join("\n"),
    );
    expect(await shows("cat '/srv/it is/m ine'")).toBe("content of srv/it is/m ine\n");
  });

  it("never connects but under our strict options, whatever the installer says itself", async () => {
    const argvs = [...new Set(byInstaller("ssh").map(({ argv }) => JSON.stringify(argv)))];
    expect(argvs.length).toBeGreaterThan(10);
    for (const argv of argvs.map((text): string[] => JSON.parse(text))) {
      expect(argv).toContain("StrictHostKeyChecking=no");
      expect(argv).toContain("UserKnownHostsFile=/dev/null");
      // The first value of each option counts (ssh_config(5)); ssh itself says which that was.
      const { stdout } = await execa("ssh", ["-G", ...argv], { stdin: "ignore" });
      expect(stdout.split("\n")).toEqual(expect.arrayContaining(inForce));
    }
  });

  it("names a file with the token for nix, and keeps the token out of environments, arguments and logs", () => {
    const runs = calls.filter(({ program }) => program === "installer");
    expect(runs).toHaveLength(3);
    for (const { env } of [...runs, ...byInstaller("ssh"), ...byInstaller("nix")]) {
      const holding = Object.entries(env).filter(([, value]) => value.includes(githubToken));
      expect(holding).toEqual([]);
      expect(env["NIX_CONFIG"]).toMatch(/^include \/\S+\/nix\.conf$/);
      expect(Object.keys(env)).not.toContain("HCLOUD_TOKEN");
    }
    const ours = calls.filter((call) => call.program === "ssh" && !call.phases);
    expect(ours.length).toBeGreaterThan(0);
    expect(JSON.stringify(ours)).not.toContain(githubToken);
    expect(JSON.stringify(calls.map(({ argv }) => argv))).not.toContain(githubToken);
    expect(watch.looks.arguments).toBeGreaterThan(100);
    expect(watch.found).toEqual([]);
    expect(`${lab.log}${first.all}${JSON.stringify(lab.journal)}`).not.toContain(githubToken);
  });

  it("leaves nothing on this machine but the log", () => {
    expect(readdirSync(lab.home, { recursive: true }).filter((name) => name !== ".ssh")).toEqual([]);
    expect(lab.leftOver).toEqual([]);
  });
});

describe.each(installers)("clawdlets install with %s, and a machine that steps in between", (_name, path) => {
  let lab: InstallerLab;
  beforeAll(async () => {
    lab = await InstallerLab.open(path, { githubToken });
  }, 60_000);
  afterAll(async () => lab?.close());

  it.each(["kexec", "disko,install"])(
    "sends nothing to it at %s",
    async (at) => {
      const server = await lab.createServer();
      const hold = lab.hold(at);
      const before = lab.calls.length;
      const child = lab.install(server);
      await lab.until(async () => hold.isReached() || undefined, `installer at ${at}`);
      await lab.swapHostKey(server);
      hold.release();
      const tries = () => lab.calls.slice(before).filter((call) => call.program === "ssh" && call.phases === at);
      // It would try for ever: ours is the deadline.
      await lab.until(async () => tries().length > 5 || undefined, "the installer's tries");
      child.kill("SIGINT");
      expect((await child).exitCode).not.toBe(0);
      const { impostor, diskWipes } = await lab.report(server);
      expect(impostor?.connections).toBeGreaterThan(2);
      expect(impostor).toMatchObject({ authentications: 0, commands: 0, bytesReceived: 0 });
      expect(diskWipes).toBe(0);
      expect(lab.log).toContain("Host key verification failed");
      expect(lab.leftOver).toEqual([]);
      expect(await probePort(server.address, lab.demo.sshPort, { timeoutMs: 2000 })).toBe("refused");
      await lab.deleteServer(server);
    },
    90_000,
  );
});
