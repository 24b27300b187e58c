import type { CommandContext, CommandTable, ExecResult, Session } from "./context.ts";
import { failed, ok, parseFlags } from "./context.ts";
import { listGenerations } from "./operate.ts";

function rootOnly(session: Session, name: string): ExecResult | null {
  return session.user.uid === 0 ? null : failed(`${name}: must be run as root`);
}

async function kexec(_args: string[], context: CommandContext, session: Session): Promise<ExecResult> {
  const refused = rootOnly(session, "kexec");
  if (refused !== null) return refused;
  // A new kernel that does not come up: the firmware then starts the disk again, a while after all went well. There is no
  // such command, so that only a command fault by this name can answer anything but "not found".
  const { exitCode } = await session.run("kexec-boot", [], context, session.user);
  if (exitCode === 127) session.machine.kexec();
  else session.machine.reboot();
  // The line by which the real script knows that it worked; the connection breaks soon after.
  return ok("machine will boot into nixos in 6s...\n");
}

function disko(_args: string[], _context: CommandContext, session: Session): ExecResult {
  const refused = rootOnly(session, "disko");
  if (refused !== null) return refused;
  if (session.machine.os !== "installer") return failed("disko: the disk is in use by the running system");
  session.machine.formatDisk();
  return ok("disko: formatted and mounted on /mnt\n");
}

function nixosInstall(args: string[], _context: CommandContext, session: Session): ExecResult {
  const refused = rootOnly(session, "nixos-install");
  if (refused !== null) return refused;
  const at = args.indexOf("--system");
  const systemPath = at < 0 ? undefined : args[at + 1];
  if (systemPath === undefined) return failed("nixos-install: only --system PATH is emulated");
  if (!session.machine.isMounted()) return failed("nixos-install: /mnt is not mounted");
  const problem = session.machine.installSystem(systemPath);
  return problem === null ? ok("installation finished!\n") : failed(`nixos-install: ${problem}`);
}

/** `nix … config show system`, which nixos-anywhere asks of the installer when it may build there. */
function nix(args: string[], _context: CommandContext, { machine }: Session): ExecResult {
  const words = args.filter((arg) => !arg.startsWith("-"));
  if (words.includes("config") && words.at(-1) === "system") {
    return ok(machine.architecture === "arm" ? "aarch64-linux\n" : "x86_64-linux\n");
  }
  return failed(`nix: '${args.join(" ")}' is not emulated`);
}

/** `nix-env -p PROFILE --set PATH`: how a new generation is recorded. */
function nixEnv(args: string[], _context: CommandContext, session: Session): ExecResult {
  if (args[0] === "--list-generations") return listGenerations(session.fs.tree);
  const { flags, operands } = parseFlags(args, "p");
  const profile = flags.get("p") ?? flags.get("profile");
  const path = operands.at(-1);
  if (profile === undefined || profile === "" || path === undefined || !flags.has("set")) {
    return failed("nix-env: only -p PROFILE --set PATH is emulated");
  }
  const { tree } = session.fs;
  if (tree.find(path, session.user).node === null) return failed(`error: path '${path}' does not exist`);
  tree.makeDirectories(profile.replace(/\/[^/]*$/, "") || "/", session.user);
  if (tree.find(profile, session.user, false).node !== null) tree.remove(profile, session.user, false);
  tree.makeLink(path, profile, session.user);
  return ok();
}

/** What `<system>/bin/switch-to-configuration` calls. */
function activateSystem(args: string[], _context: CommandContext, session: Session): ExecResult {
  const refused = rootOnly(session, "switch-to-configuration");
  if (refused !== null) return refused;
  const [systemPath = "", verb = ""] = args;
  if (verb === "boot" || verb === "dry-activate") return ok();
  if (verb !== "switch" && verb !== "test") return failed(`switch-to-configuration: unknown action '${verb}'`);
  const problem = session.machine.activateSystem(systemPath);
  return problem === null ? ok("activating the configuration...\n") : failed(`switch-to-configuration: ${problem}`);
}

export const installCommands: CommandTable = {
  kexec,
  disko,
  "nixos-install": nixosInstall,
  nix,
  "nix-env": nixEnv,
  "activate-system": activateSystem,
};

/** Scripts out of the Nix store, which are known by their path and not there as files. */
export function storeScript(command: string): string | null {
  const disk = /^\s*(\/nix\/store\/[a-z0-9]{32}-[^\s/]*(?:disko|format|mount)[^\s/]*)\s*$/.exec(command);
  if (disk !== null) return "disko";
  return null;
}
