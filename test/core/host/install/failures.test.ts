import { chmodSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import type { FailureKind } from "../../../../core/host/install/failure.ts";
import { type InstallerLimits, type InstallerSetup, runPhases } from "../../../../core/host/install/installer.ts";
import { knownHostsLine } from "../../../../core/host/reach/known-hosts.ts";
import { installSettings } from "../../../../core/project/settings/stack-config/install.ts";
import { temporaryFolder } from "../../../_project.ts";
import {
  done,
  type KeyPair,
  type Lab,
  newKey,
  newServer,
  reportOf,
  startLab,
  userDataWith,
} from "../../../emulator/_lab.ts";

/** Every bad end within its own limit, under its own name, and nothing left running: with scripts, and with the stand-in. */
interface Seen {
  kind: string;
  message: string;
  survivors: number;
}

interface Run {
  phases?: string;
  deadlineSeconds?: number;
  limits?: Partial<InstallerLimits>;
}

const install = installSettings.parse({});

async function endOf(setup: Omit<InstallerSetup, "onProcessGroup">, flake: string, run: Run): Promise<Seen> {
  let group = 0;
  const { phases = "kexec", deadlineSeconds = 60 } = run;
  const error = await runPhases(
    { ...setup, limits: { grace: 1, ...run.limits }, onProcessGroup: (id) => (group = id) },
    { phases, flake, extraFiles: join(setup.logFile, "..", "extra"), install, deadlineSeconds, advice: "Look." },
  ).then(
    () => new Error("it went well"),
    (reason: Error & { kind?: string }) => reason,
  );
  const { stdout } = await execa("ps", ["-eo", "pgid=,stat="]);
  const alive = stdout.split("\n").filter((line) => new RegExp(`^\\s*${group}\\s+[^Z]`).test(line));
  return {
    kind: "kind" in error ? String(error.kind) : "",
    message: error.message,
    survivors: alive.length,
  };
}

const noHost = { alias: "web-1", address: "192.0.2.1", port: 22, user: "root", knownHosts: "/k", identity: "/i" };
const endlessly = (line: string) => `while :; do echo '${line}' >&2; sleep 0.1; done`;
const at = (milestone: string) => `echo '### ${milestone} ###'`;

describe("an installer that is a script", () => {
  let folder: string;
  const cases: [FailureKind, string, Run, RegExp][] = [
    [
      "no-ssh-key-upload",
      `${at("Uploading install SSH keys")}; ${endlessly("ssh-copy-id: ERROR: Connection refused")}`,
      { limits: { "Uploading install SSH keys": 1 } },
      /within 1 s/,
    ],
    [
      "host-key",
      `${at("Uploading install SSH keys")}; ${endlessly("Host key verification failed.")}`,
      { limits: { "Uploading install SSH keys": 1 } },
      /different host key/,
    ],
    [
      "too-many-authentications",
      `${at("Uploading install SSH keys")}; ${endlessly("Received disconnect: Too many authentication failures")}`,
      { limits: { "Uploading install SSH keys": 1 } },
      /ssh-add -D/,
    ],
    [
      "no-installer-again",
      `${at("Switching system into kexec")}; echo 'machine will boot into nixos in 6s...'; sleep 60`,
      { limits: { "Switching system into kexec": 1 } },
      /installer did not answer at 192\.0\.2\.1 within 1 s/,
    ],
    ["facts", `${at("Gathering machine facts")}; sleep 60`, { limits: { "Gathering machine facts": 1 } }, /within 1 s/],
    [
      "no-reboot",
      `${at("Waiting for the machine to become unreachable due to reboot")}; sleep 60`,
      {
        phases: "reboot",
        limits: { "Waiting for the machine to become unreachable due to reboot": 1 },
      },
      /NixOS is installed on its disk/,
    ],
    [
      "deadline",
      `${at("Installing NixOS")}; trap '' TERM; sleep 60 & wait; sleep 60`,
      { deadlineSeconds: 1 },
      /within 1 s/,
    ],
    ["old-nix", `echo "error: 'config' is not a recognised command" >&2; exit 1`, {}, /2\.16/],
    [
      "private-flake",
      `echo "error: unable to download 'https://api.github.com/repos/a/b/commits/c': HTTP error 404" >&2; exit 1`,
      {},
      /GITHUB_TOKEN/,
    ],
    [
      "no-space",
      `${at("Uploading the system closure")}; echo 'error: writing to file: No space left on device' >&2; exit 1`,
      { phases: "disko,install" },
      /half the server's RAM/,
    ],
    ["closure-copy", `${at("Uploading the system closure")}; exit 255`, { phases: "disko,install" }, /half written/],
    ["connection-lost", `${at("Installing NixOS")}; exit 255`, { phases: "disko,install" }, /192\.0\.2\.1 was lost/],
    [
      "out-of-memory",
      `${at("Installing NixOS")}; kill -KILL $$`,
      { phases: "disko,install" },
      /killed on this machine/,
    ],
    [
      "busy-disk",
      `${at("Formatting hard drive with disko")}; echo 'umount: /mnt: target is busy.' >&2; exit 32`,
      { phases: "disko,install" },
      /still mounted/,
    ],
    ["unknown-flag", "echo 'aborted: Unknown phase: kexec' >&2; exit 1", {}, /different version/],
  ];

  it.each(cases)(
    "%s: %s",
    async (kind, script, run, words) => {
      folder = temporaryFolder();
      vi.stubEnv("TMPDIR", folder);
      const command = join(folder, "nixos-anywhere");
      writeFileSync(command, `#!/bin/sh\n${script}\n`);
      chmodSync(command, 0o700);
      const seen = await endOf(
        {
          installer: { command, args: [], found: "PATH" },
          route: noHost,
          logFile: join(folder, "install.log"),
          githubToken: undefined,
          onLine: () => undefined,
          signal: new AbortController().signal,
        },
        "x#web-1",
        run,
      );
      vi.unstubAllEnvs();
      expect(seen).toMatchObject({ kind, message: expect.stringMatching(words), survivors: 0 });
    },
    15_000,
  );
});

describe("the stand-in, on a server of the emulator", () => {
  let lab: Lab;
  let hostKey: KeyPair;
  let client: KeyPair;
  let flake: string;
  let servers = 0;
  beforeAll(async () => {
    lab = await startLab();
    hostKey = await newKey(lab, "host");
    client = await newKey(lab, "client");
    flake = join(lab.dir, "flake");
    mkdirSync(join(flake, "stacks"), { recursive: true });
    mkdirSync(join(lab.dir, "extra"));
    writeFileSync(join(flake, "stacks", "Pulumi.web-1.yaml"), "config: {}\n");
    await execa("git", ["init", "--quiet", flake]);
    await execa("git", ["-C", flake, "add", "."]);
  });
  afterAll(async () => lab.stop());
  afterEach(() => vi.unstubAllEnvs());

  async function server() {
    servers += 1;
    const { id, ipv4 } = await newServer(lab, `web-${servers}`, { user_data: userDataWith(hostKey, client) });
    const control = (verb: string, body: unknown) => done(lab, "POST", `/_emulator/servers/${id}/${verb}`, body);
    const run = (given: Run) => {
      vi.stubEnv("HOME", lab.dir); // ssh-copy-id makes ~/.ssh
      const knownHosts = join(lab.dir, "known_hosts");
      writeFileSync(knownHosts, knownHostsLine(["web-1"], hostKey.publicKey));
      const setup = {
        installer: {
          command: join(process.cwd(), "emulator/stand-ins/nixos-anywhere"),
          args: [],
          found: "PATH" as const,
        },
        route: { ...noHost, address: ipv4, port: lab.emulator.sshPort, knownHosts, identity: client.file },
        logFile: join(lab.dir, "install.log"),
        githubToken: undefined,
        onLine: () => undefined,
        signal: new AbortController().signal,
      };
      return endOf(setup, `${flake}#web-1`, given);
    };
    const fault = (command: string, exitCode: number, stderr: string) =>
      control("command-faults", [{ command, exitCode, stderr }]);
    return { id, control, fault, run };
  }

  it("kexec that falls back to Debian", async () => {
    const { id, fault, run } = await server();
    await fault("kexec-boot", 1, "");
    expect(await run({})).toMatchObject({
      kind: "kexec-failed",
      message: expect.stringMatching(/after kexec the server runs Debian/),
      survivors: 0,
    });
    expect(reportOf(lab, id)).toMatchObject({ os: "debian", diskWipes: 0 });
    // Tried again, it goes well.
    expect((await run({})).message).toBe("it went well");
    expect(reportOf(lab, id)).toMatchObject({ os: "installer", diskWipes: 0 });
  }, 60_000);

  it("kexec that fails at once, and one after which nobody answers", async () => {
    const { control, fault, run } = await server();
    await fault("kexec", 1, "kexec_load failed: Operation not permitted");
    expect(await run({})).toMatchObject({ kind: "kexec-failed", message: expect.stringMatching(/still runs Debian/) });
    await fault("kexec", 0, "machine will boot into nixos in 6s...");
    const waiting = run({ limits: { "Switching system into kexec": 4 } });
    expect(await waiting).toMatchObject({
      kind: "no-installer-again",
      message: expect.stringMatching(/within 4 s/),
      survivors: 0,
    });
    await control("command-faults", []);
  }, 60_000);

  it("a disk that is not there, then an installation that is killed", async () => {
    const { id, fault, run } = await server();
    expect((await run({})).message).toBe("it went well");
    await fault(
      "disko",
      2,
      "Problem opening /dev/nvme0n1 for reading! Error is 2.\nThe specified file does not exist!",
    );
    expect(await run({ phases: "disko,install" })).toMatchObject({
      kind: "no-such-disk",
      message: expect.stringMatching(/no disk \/dev\/nvme0n1/),
      survivors: 0,
    });
    expect(reportOf(lab, id)).toMatchObject({ diskWipes: 0 });
    await fault("nixos-install", 137, "Killed");
    expect(await run({ phases: "disko,install" })).toMatchObject({
      kind: "out-of-memory",
      message: expect.stringMatching(/memory ran out at "Installing NixOS"/),
      survivors: 0,
    });
    expect(reportOf(lab, id)).toMatchObject({ os: "installer", installRuns: 0 });
  }, 60_000);

  it("no way to upload the ssh key", async () => {
    const { control, run } = await server();
    await control("network", { on: false });
    const seen = await run({ limits: { "Uploading install SSH keys": 3 } });
    expect(seen).toMatchObject({ kind: "no-ssh-key-upload", survivors: 0 });
    expect(readFileSync(join(lab.dir, "install.log"), "utf8")).toContain("### Uploading install SSH keys ###");
  }, 60_000);

  it("a machine in the middle, which is told nothing", async () => {
    const { id, control, run } = await server();
    await control("host-key-swap", { on: true });
    expect(await run({ limits: { "Uploading install SSH keys": 3 } })).toMatchObject({
      kind: "host-key",
      survivors: 0,
    });
    expect(reportOf(lab, id).impostor).toMatchObject({ authentications: 0, commands: 0, bytesReceived: 0 });
  }, 60_000);
});
