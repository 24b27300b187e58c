import { spawnSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { userInfo } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { nixTokenIn } from "../../../../core/host/flake/nix-token.ts";
import {
  InstallerError,
  type InstallerSetup,
  type PhaseRun,
  runPhases,
} from "../../../../core/host/install/installer.ts";
import { writeSshWrappers } from "../../../../core/host/reach/ssh.ts";
import { installSettings } from "../../../../core/project/settings/stack-config/install.ts";
import { describeWith } from "../../../_needs.ts";
import { temporaryFolder } from "../../../_project.ts";

let folder: string;
const groups: number[] = [];
beforeEach(() => {
  folder = temporaryFolder();
  vi.stubEnv("TMPDIR", folder);
});
afterEach(() => {
  vi.unstubAllEnvs();
  groups.length = 0;
});

/** An installer that is a shell script. */
function setupWith(script: string, more: Partial<InstallerSetup> = {}): InstallerSetup {
  const command = join(folder, "nixos-anywhere");
  writeFileSync(command, `#!/bin/sh\n${script}\n`);
  chmodSync(command, 0o700);
  mkdirSync(join(folder, "logs"), { recursive: true });
  return {
    installer: { command, args: [], found: "PATH" },
    route: {
      address: "192.0.2.1",
      port: 22,
      user: "root",
      alias: "web-1",
      knownHosts: join(folder, "known_hosts"),
      identity: join(folder, "key"),
    },
    logFile: join(folder, "logs", "install.log"),
    githubToken: undefined,
    onProcessGroup: (id) => groups.push(id),
    onLine: () => undefined,
    signal: new AbortController().signal,
    ...more,
  };
}
const install = installSettings.parse({});
const phase: PhaseRun = { phases: "kexec", flake: "x#web-1", install, deadlineSeconds: 30, advice: "Look." };
const failureOf = (run: Promise<void>) => run.then(() => undefined).catch((error: unknown) => error);
/** A dead process that nobody has buried does nothing any more. */
const isAlive = (pid: number) => /^[^Z]/.test(spawnSync("ps", ["-o", "stat=", "-p", String(pid)]).stdout.toString());
const ours = () => join(folder, `clawdlets-${userInfo().uid}`);

describe("a run of the installer", () => {
  it("ends with the phase's deadline, and says at which milestone", async () => {
    const setup = setupWith("echo '### Installing NixOS ###'; sleep 60");
    const error = await failureOf(runPhases(setup, { ...phase, deadlineSeconds: 0.5 }));
    expect(error).toBeInstanceOf(InstallerError);
    expect(error).toMatchObject({ kind: "deadline", phase: "kexec", exitCode: 7 });
    expect(String(error)).toMatch(/within 0\.5 s; it was at "Installing NixOS".*clawdlets logs --host web-1/s);
  }, 10_000);

  it("has a limit from one milestone to the next, which begins again with each", async () => {
    const limits = { "Uploading install SSH keys": 1, "Gathering machine facts": 1 };
    const steps =
      "echo '### Uploading install SSH keys ###'; sleep 0.6; echo '### Gathering machine facts ###'; sleep 0.6";
    await runPhases(setupWith(`${steps}; echo '### Done! ###'; sleep 0.6`, { limits }), phase);
    const error = await failureOf(runPhases(setupWith(`${steps}; sleep 60`, { limits }), phase));
    expect(error).toMatchObject({ kind: "facts" });
    // A build without a milestone of its own follows there.
    await runPhases(setupWith(`${steps}; sleep 0.8`, { limits }), { ...phase, phases: "disko,install" });
  });

  it.each(["deadline", "abort", "failure"])("lets nothing of its group survive a %s", async (how) => {
    const pids = join(folder, "pids");
    // Both ignore SIGTERM, and one of them is nobody's child any more.
    const stubborn = `sh -c 'trap "" TERM; echo $$ >>${pids}; while :; do sleep 0.1; done' &`;
    const wait = how === "failure" ? "sleep 0.5; exit 3" : "trap '' TERM; while :; do sleep 0.1; done";
    const stop = new AbortController();
    const limits = { grace: 0.5 };
    const setup = setupWith(`echo $$ >>${pids}; ${stubborn} (${stubborn}) ; ${wait}`, { limits, signal: stop.signal });
    const run = failureOf(runPhases(setup, { ...phase, deadlineSeconds: how === "deadline" ? 1 : 30 }));
    await expect.poll(() => existsSync(pids) && readFileSync(pids, "utf8").trim().split("\n").length).toBe(3);
    if (how === "abort") stop.abort(new Error("stopped by SIGINT"));
    const error = await run;
    if (how === "abort") expect(error).toMatchObject({ message: "stopped by SIGINT" });
    else expect(error).toMatchObject({ kind: how === "deadline" ? "deadline" : "other" });
    expect(readFileSync(pids, "utf8").trim().split("\n").map(Number).filter(isAlive)).toEqual([]);
    expect(readdirSync(ours())).toEqual([]);
  });

  it("goes on when the disk with its log fills up, and says so once", async () => {
    const setup = setupWith("echo '### Installing NixOS ###'; echo more; echo '### Done! ###'");
    symlinkSync("/dev/full", setup.logFile); // Every write to it fails with ENOSPC.
    const said: string[] = [];
    await runPhases({ ...setup, onLine: (text) => said.push(text) }, phase);
    expect(said).toEqual([
      expect.stringMatching(/^the installer's output is no longer logged: ENOSPC/),
      "Installing NixOS",
      "Done!",
    ]);
  });

  it("does not wait for a process that left the group with its output open", async () => {
    await runPhases(setupWith("setsid sleep 20 & echo '### Done! ###'; sleep 0.2"), phase);
  }, 10_000);

  it("does not start when it was stopped before", async () => {
    const signal = AbortSignal.abort(new Error("stopped before"));
    const error = await failureOf(runPhases(setupWith("exit 0", { signal }), phase));
    expect(error).toMatchObject({ message: "stopped before" });
    expect(groups).toEqual([]);
  });

  it("says so when it cannot be started", async () => {
    const setup = setupWith("exit 0");
    rmSync(setup.installer.command);
    expect(String(await failureOf(runPhases(setup, phase)))).toMatch(/nixos-anywhere could not be started/);
  });

  it("keeps what it prints in the log, and tokens out of the message", async () => {
    const canary = "ghp_canarycanarycanary";
    const script = `yes 'a line' | head -n 5000; echo "error: $(cat "\${NIX_CONFIG#include }")" >&2; exit 1`;
    const setup = setupWith(script, { githubToken: canary });
    const error = await failureOf(runPhases(setup, phase));
    expect(error).toMatchObject({ kind: "nix-error" });
    expect(String(error)).not.toContain(canary);
    expect(readFileSync(setup.logFile, "utf8").split("\n")).toHaveLength(5002);
  });
});

describeWith({ programs: ["nix"] }, "a real nix", () => {
  it("takes the token from the file that its environment names", async () => {
    const folder = temporaryFolder();
    const { NIX_CONFIG = "" } = nixTokenIn(folder, "github_pat_canary0123456789");
    expect(NIX_CONFIG).not.toContain("canary");
    const env = { NIX_CONFIG, HOME: folder };
    const { stdout } = await execa("nix", ["--extra-experimental-features", "nix-command", "show-config"], { env });
    expect(stdout).toContain("access-tokens = github.com=github_pat_canary0123456789");
  });
});

describe("the installer's own folder", () => {
  it("is found again by the next run, which removes what a killed one left", async () => {
    const seen = join(folder, "seen");
    const setup = setupWith(`echo "$TMPDIR" >>${seen}; ls "$TMPDIR" >>${seen}; echo key >"$TMPDIR/key"`);
    await runPhases(setup, phase);
    const [tmp = "", ...files] = readFileSync(seen, "utf8").trim().split("\n");
    expect(files).toEqual(["scp", "ssh"]);
    expect(tmp).not.toMatch(/\s/);
    mkdirSync(tmp, { recursive: true });
    writeFileSync(join(tmp, "key"), "one-time key");
    const error = await failureOf(runPhases(setupWith("exit 9"), phase));
    expect(error).toMatchObject({ kind: "other" });
    expect(existsSync(tmp)).toBe(false);
    expect(readdirSync(ours())).toEqual([]);
  });

  it("outlives SIGKILL of our own process only until the next run", async () => {
    const seen = join(folder, "seen");
    const setup = setupWith(
      `echo key >"$TMPDIR/key"; echo "$$ $TMPDIR" >${seen}.part; mv ${seen}.part ${seen}; sleep 30`,
    );
    const given = JSON.stringify({ ...setup, signal: undefined });
    const program = `import { runPhases } from ${JSON.stringify(join(process.cwd(), "core/host/install/installer.ts"))};
      const signal = new AbortController().signal, nothing = () => undefined;
      await runPhases({ ...${given}, signal, onProcessGroup: nothing, onLine: nothing }, ${JSON.stringify(phase)});`;
    const child = execa(process.execPath, ["--import", "tsx", "--input-type=module", "-e", program], { reject: false });
    await expect.poll(() => existsSync(seen), { timeout: 15_000 }).toBe(true);
    child.kill("SIGKILL");
    await child;
    const [group = "", tmp = ""] = readFileSync(seen, "utf8").trim().split(" ");
    process.kill(-Number(group), "SIGKILL"); // As the guard does.
    expect(existsSync(join(tmp, "key"))).toBe(true);
    await runPhases(setupWith("exit 0"), phase);
    expect(existsSync(tmp)).toBe(false);
    expect(readdirSync(ours())).toEqual([]);
  });

  it("is refused where a link stands, above it and in its place", async () => {
    const elsewhere = temporaryFolder();
    symlinkSync(elsewhere, ours());
    expect(await failureOf(runPhases(setupWith("exit 0"), phase))).toMatchObject({
      message: expect.stringMatching(/is a link or a file, so clawdlets did not create it/),
    });
    rmSync(ours());
    const where = join(folder, "where");
    await runPhases(setupWith(`dirname "$TMPDIR" >${where}`), phase);
    writeFileSync(join(elsewhere, "mine"), "");
    symlinkSync(elsewhere, readFileSync(where, "utf8").trim());
    expect(String(await failureOf(runPhases(setupWith("exit 0"), phase)))).toMatch(/is a link/);
    expect(existsSync(join(elsewhere, "mine"))).toBe(true);
  });

  it.runIf(userInfo().uid === 0)("is refused where it is someone else's", async () => {
    mkdirSync(ours());
    await execa("chown", ["65534", ours()]);
    expect(String(await failureOf(runPhases(setupWith("exit 0"), phase)))).toMatch(/belongs to user 65534, not to you/);
  });

  it("has no space in its path, wherever TMPDIR is", async () => {
    const spaced = join(folder, "with a space");
    mkdirSync(spaced);
    vi.stubEnv("TMPDIR", spaced);
    await runPhases(setupWith(`case "$TMPDIR" in *" "*) exit 1 ;; esac`), phase);
  });
});

describe("writeSshWrappers", () => {
  it("is what ssh-copy-id talks through, with the strict options first", async () => {
    const real = join(folder, "real");
    const wrappers = join(folder, "wrappers");
    const home = join(folder, "home");
    for (const each of [real, wrappers, home, join(home, ".ssh")]) mkdirSync(each, { mode: 0o700 });
    const calls = join(folder, "calls");
    // No login with the new key yet (ssh-copy-id asks for that first), so that it goes on to upload it.
    const script = `#!/bin/sh\necho "$*" >>${calls}\ncase "$*" in *authorized_keys*) cat >/dev/null ;; *) echo 'Permission denied'; exit 255 ;; esac\n`;
    writeFileSync(join(real, "ssh"), script, { mode: 0o700 });
    const key = join(folder, "key");
    await execa("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", key]);
    vi.stubEnv("PATH", `${real}:${process.env["PATH"]}`);
    writeSshWrappers(wrappers, { address: "192.0.2.1", alias: "web-1", knownHosts: "/k", port: 22 });
    const asNixosAnywhere = ["-o", "IdentitiesOnly=no", "-i", key, "-o", "UserKnownHostsFile=/dev/null"];
    const env = { HOME: home, PATH: `${wrappers}:${process.env["PATH"]}` };
    await execa("ssh-copy-id", [...asNixosAnywhere, "-o", "StrictHostKeyChecking=no", "root@192.0.2.1"], { env });
    const seen = readFileSync(calls, "utf8").trim().split("\n");
    expect(seen.length).toBeGreaterThanOrEqual(3);
    for (const call of seen)
      expect(call).toMatch(/^-F \/dev\/null -o StrictHostKeyChecking=yes -o UserKnownHostsFile="\/k" /);
    expect(seen.at(-1)).toContain("authorized_keys");
  });
});

it.each([
  ["192.0.2.1", "192.0.2.1", "192.0.2.1"],
  // The same text is used in URLs for nix, where IPv6 addresses have brackets, and for ssh, which takes none.
  ["2001:db8::1", "web-1", "2001:db8::1"],
])("the installer reaches %s as root@%s, through ssh to %s", async (address, destination, hostName) => {
  const setup = setupWith(
    'while [ "$1" != --target-host ]; do shift; done; echo "to $2"; ssh -G "$2" 2>/dev/null | grep "^hostname "',
  );
  await runPhases({ ...setup, route: { ...setup.route, address } }, phase);
  expect(readFileSync(setup.logFile, "utf8")).toBe(`to root@${destination}\nhostname ${hostName}\n`);
});

it("the installer's nix is the one that NIX_BIN names", async () => {
  const nix = join(folder, "nix-2.26");
  writeFileSync(nix, "#!/bin/sh\necho the named nix\n", { mode: 0o755 });
  const setup = setupWith("nix --version");
  await runPhases({ ...setup, installer: { ...setup.installer, nix } }, phase);
  expect(readFileSync(setup.logFile, "utf8")).toBe("the named nix\n");
});
