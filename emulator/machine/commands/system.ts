import { Buffer } from "node:buffer";
import { gzipSync } from "node:zlib";
import { bytesOutput, latin1FromBytes, unsafeBytesFromLatin1 } from "just-bash";
import { packTar } from "modern-tar";
import { ROOT } from "../files/inode.ts";
import { groupName, ROOT_USER, userName, userNamed } from "../files/users.ts";
import { repositoryOf, revealSecrets } from "../system/activation.ts";
import { ACTIVATE } from "./activate.ts";
import { BACKUP, hasBackups } from "./backup.ts";
import type { CommandContext, CommandTable, ExecResult, Session } from "./context.ts";
import { failed, ok, parseFlags } from "./context.ts";
import { isInspection } from "./inspect.ts";
import { askOpenclaw, mayOperate, systemctlOnBot } from "./operate.ts";
import { RECEIVE_SECRETS } from "./secrets.ts";

const KERNELS = { debian: "6.12.48+deb13-cloud", installer: "6.12.58", nixos: "6.12.58" };

function uname(args: string[], _context: CommandContext, { machine }: Session): ExecResult {
  const architecture = machine.architecture === "arm" ? "aarch64" : "x86_64";
  const fields: Record<string, string> = {
    s: "Linux",
    n: machine.hostname,
    r: KERNELS[machine.os],
    m: architecture,
    o: "GNU/Linux",
  };
  const letters = args.join("").replaceAll("-", "") || "s";
  if (letters === "a") return ok(`Linux ${machine.hostname} ${KERNELS[machine.os]} #1 SMP ${architecture} GNU/Linux\n`);
  return ok(
    `${[..."snrmo"]
      .filter((letter) => letters.includes(letter))
      .map((letter) => fields[letter])
      .join(" ")}\n`,
  );
}

function id(args: string[], _context: CommandContext, { machine, user }: Session): ExecResult {
  const { flags, operands } = parseFlags(args, "");
  const who = operands[0] === undefined ? user : userNamed(operands[0], machine.normalUsers);
  if (who === null) return failed(`id: '${operands[0]}': no such user`);
  const group = groupName(who.gid);
  if (flags.has("u")) return ok(`${flags.has("n") ? who.name : who.uid}\n`);
  if (flags.has("g")) return ok(`${flags.has("n") ? group : who.gid}\n`);
  if (flags.has("G")) return ok(`${who.groups.map((gid) => (flags.has("n") ? groupName(gid) : gid)).join(" ")}\n`);
  const groups = who.groups.map((gid) => `${gid}(${groupName(gid)})`).join(",");
  return ok(`uid=${who.uid}(${who.name}) gid=${who.gid}(${group}) groups=${groups}\n`);
}

function hostname(args: string[], _context: CommandContext, { machine }: Session): ExecResult {
  return args.some((arg) => !arg.startsWith("-"))
    ? failed("hostname: setting it is not emulated")
    : ok(`${machine.hostname}\n`);
}

/** Units that were restarted since the boot, one call of systemctl a line: what a test can ask for. */
const UNITS_LOG = "/run/clawdlets-emulated-units.log";
const RESTARTABLE = new Set(["sops-install-secrets.service", "clawdlets-secrets.target"]);

function restart(args: string[], units: string[], { machine, user, fs }: Session): ExecResult | null {
  if (machine.os !== "nixos" || units.length === 0 || !units.every((unit) => RESTARTABLE.has(unit))) return null;
  if (user.uid !== 0) return failed(`Failed to restart ${units[0]}: Interactive authentication required.`);
  const { tree } = fs;
  const before = tree.find(UNITS_LOG, ROOT).node === null ? "" : tree.readFile(UNITS_LOG, ROOT).toString();
  tree.writeFile(UNITS_LOG, Buffer.from(`${before}${args.join(" ")}\n`), ROOT);
  if (units.includes("sops-install-secrets.service")) revealSecrets(tree);
  return ok();
}

function systemctl(args: string[], _context: CommandContext, session: Session): ExecResult {
  const { machine, user } = session;
  const [verb, ...units] = args.filter((arg) => !arg.startsWith("-"));
  const onBot = systemctlOnBot(args, session);
  if (onBot !== null) return onBot;
  if (verb === "is-system-running") return ok("running\n");
  if (verb === "is-active") return ok(`${units.map(() => "active").join("\n")}\n`);
  if (verb === "reboot") return rebootNow(machine, user);
  if (verb === "poweroff") return powerOffNow(machine, user);
  if (verb === "list-units" || verb === "--failed") return ok("");
  const restarted = verb === "restart" || verb === "try-restart" ? restart(args, units, session) : null;
  if (restarted !== null) return restarted;
  return failed(`systemctl: '${args.join(" ")}' is not emulated`);
}

function rebootNow(machine: Session["machine"], user: Session["user"]): ExecResult {
  if (user.uid !== 0) return failed("reboot: must be superuser.");
  machine.reboot();
  return ok();
}

function powerOffNow(machine: Session["machine"], user: Session["user"]): ExecResult {
  if (user.uid !== 0) return failed("poweroff: must be superuser.");
  machine.powerOff();
  return ok();
}

/** `cloud-init status [--wait]`, on an image that has it. */
export const cloudInit: CommandTable[string] = async (args, _context, { machine }) => {
  if (args[0] !== "status") return failed(`cloud-init: '${args.join(" ")}' is not emulated`);
  if (args.includes("--wait")) await machine.cloudInit;
  return ok(`status: ${machine.cloudInit === null ? "done" : "running"}\n`);
};

/** `ip route get`, by which nixos-anywhere tells a machine that has only IPv6. */
function ip(args: string[], _context: CommandContext, { machine }: Session): ExecResult {
  const words = args.join(" ");
  if (words === "r g 1") {
    return machine.hasIpv4
      ? ok("1.0.0.0 via 172.31.1.1 dev eth0\n")
      : failed("RTNETLINK answers: Network is unreachable", 2);
  }
  if (words === "-6 r g ::") return ok(":: from :: via fe80::1 dev eth0\n");
  return failed(`ip: '${words}' is not emulated`);
}

/** Hosts that have no IPv6 address (2026). */
const ipv4Only = /^https:\/\/github\.com\//;

/** The one archive there is to fetch: an installer to kexec into. Nothing is really downloaded. */
async function download(url: string, { hasIpv4 }: Session["machine"]): Promise<ExecResult> {
  if (!hasIpv4 && ipv4Only.test(url)) return failed(`${url}: Network is unreachable`, 4);
  if (!/\.tar(\.gz|\.xz|\.zst)?$/.test(url)) return failed(`${url}: there is no network in the emulator`, 4);
  const script = Buffer.from("#!/bin/sh\nexec kexec --load-and-run\n");
  const packed = Buffer.from(
    await packTar([
      { header: { name: "kexec/", type: "directory", size: 0, mode: 0o755 } },
      { header: { name: "kexec/run", type: "file", size: script.length, mode: 0o755 }, body: new Uint8Array(script) },
    ]),
  );
  return { ...bytesOutput(unsafeBytesFromLatin1(gzipSync(packed).toString("latin1"))), stderr: "", exitCode: 0 };
}

/** Runs the rest of the line, as `sudo`, `setsid` and `env`-like commands do. */
export async function runRest(words: string[], context: CommandContext, stdin = context.stdin): Promise<ExecResult> {
  const [name, ...args] = words;
  if (name === undefined || context.exec === undefined) return ok();
  return context.exec(quote(name), { cwd: context.cwd, args, stdin: latin1FromBytes(stdin), stdinKind: "bytes" });
}

export function quote(word: string): string {
  return `'${word.replaceAll("'", "'\\''")}'`;
}

export const systemCommands: CommandTable = {
  uname,
  id,
  hostname,
  systemctl,
  whoami: (_args, _context, { machine, user }) => ok(`${userName(user.uid, machine.normalUsers)}\n`),
  arch: (_args, _context, { machine }) => ok(machine.architecture === "arm" ? "aarch64\n" : "x86_64\n"),
  reboot: (_args, _context, { machine, user }) => rebootNow(machine, user),
  poweroff: (_args, _context, { machine, user }) => powerOffNow(machine, user),
  shutdown: (args, _context, { machine, user }) =>
    args.includes("-r") ? rebootNow(machine, user) : powerOffNow(machine, user),
  sync: () => ok(),
  ip,
  wget: (args, _context, { machine }) => download(args.find((arg) => !arg.startsWith("-")) ?? "", machine),
  curl: (args, _context, { machine }) => download(args.find((arg) => !arg.startsWith("-")) ?? "", machine),
  cpio: () => failed("cpio: only its presence is emulated"),
  "systemd-detect-virt": (args) =>
    args.includes("--container") ? { stdout: "none\n", stderr: "", exitCode: 1 } : ok("kvm\n"),
  umask: (args, _context, { fs }) => {
    const [text] = args;
    if (text === undefined) return ok(`${fs.umask.toString(8).padStart(4, "0")}\n`);
    fs.umask = Number.parseInt(text, 8);
    return ok();
  },
  setsid: (args, context) =>
    runRest(
      args.filter((arg, index) => index > 0 || !arg.startsWith("-")),
      context,
    ),
  nohup: (args, _context, { machine, user }) => {
    machine.runDetached(args.map(quote).join(" "), user);
    return ok();
  },
  restorecon: () => failed("restorecon: command not found", 127),
  sudo: (args, context, { machine, user, run, fs }) => {
    const words = args.filter((arg, index) => index > 0 || !/^-[nE]+$/.test(arg));
    if (user.uid === 0) return runRest(words, context);
    if (machine.os === "nixos" && args.join(" ") === `-n ${RECEIVE_SECRETS}`) {
      return run("clawdlets-receive-secrets", [], context, ROOT_USER);
    }
    if (machine.os === "nixos" && args.join(" ") === `-n ${ACTIVATE}` && repositoryOf(fs.tree) !== null) {
      return run("clawdlets-activate", [], context, ROOT_USER);
    }
    if (machine.os === "nixos" && args.join(" ") === `-n ${BACKUP}` && hasBackups(fs.tree, machine.hostname)) {
      return run("clawdlets-backup", [], context, ROOT_USER);
    }
    if (machine.os === "nixos" && args[0] === "-n" && isInspection(args.slice(1))) {
      return run((args[1] ?? "").replace(/.*\//, ""), [], context, ROOT_USER);
    }
    if (machine.os === "nixos" && args[0] === "-n" && mayOperate(fs.tree, machine.hostname, args.slice(1))) {
      const [program = "", ...rest] = args.slice(1);
      const name = program.replace(/.*\//, "");
      return askOpenclaw(name, rest) ?? run(name, rest, context, ROOT_USER);
    }
    // As on the hardened host: members of wheel need their password, and a command over ssh has no terminal to type it.
    return failed(machine.os === "nixos" ? "sudo: a password is required" : `${user.name} is not in the sudoers file.`);
  },
};
