import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { latin1FromBytes } from "just-bash";
import { ROOT } from "../files/inode.ts";
import type { FileTree } from "../files/tree.ts";
import { exists } from "../system/activation.ts";
import type { CommandContext, CommandTable, ExecResult, Session } from "./context.ts";
import { failed, ok } from "./context.ts";

/** As sudoers has it, without arguments, where the host has backups. */
export const BACKUP = "/run/current-system/sw/bin/clawdlets-backup";

const folder = "/var/lib/clawdlets/backups";

/** Whether the host makes backups: it does once it has the password that they are encrypted with. */
export const hasBackups = (tree: FileTree, hostname: string): boolean =>
  exists(tree, `/var/lib/clawdlets/secrets/hosts/${hostname}/restic_password.yaml`);

interface Outcome {
  good: string;
  tried: string;
  problem: string;
  why: string;
}
type State = {
  bots: Record<string, Outcome & { snapshot: string }>;
  check: Outcome;
  run: { phase: string; started: string; ended: string };
  restore: Record<"id" | "bot" | "snapshot" | "to" | "phase" | "result" | "folder" | "why", string>;
  /** All that were made, oldest first. */
  simulated: { id: string; time: string; tags: [string] }[];
};

const never = (): Outcome => ({ good: "", tried: "", problem: "", why: "" });
const empty = (): State => ({
  bots: {},
  check: never(),
  run: { phase: "", started: "", ended: "" },
  restore: { id: "", bot: "", snapshot: "", to: "", phase: "", result: "", folder: "", why: "" },
  simulated: [],
});

/**
 * The stand-in for nix/host/backup.sh. No bot runs here and nothing is stored: backups are simulated, and the reasons say so. Orders
 * are refused with the codes and words of the real one.
 */
function backup(args: string[], context: CommandContext, { user, machine, fs }: Session): ExecResult {
  const refuse = (why: string, code = "unknown-order") =>
    failed(`clawdlets-backup: code ${code}\nclawdlets-backup: refused, nothing changed: ${why}`);
  if (user.uid !== 0) return failed("clawdlets-backup: must be run as root");
  if (args.length > 0) return refuse("it takes no arguments");
  const [line = ""] = Buffer.from(latin1FromBytes(context.stdin), "latin1").toString().split("\n");
  const [verb = "", id = "", bot = "", snapshot = "", to = ""] = line.split(" ");
  const state = load(fs.tree);
  const bots = botsOf(fs.tree, machine.hostname);
  const at = new Date().toISOString();
  if (verb === "list") return ok(`${JSON.stringify(state.simulated)}\n`);
  if (verb === "now") {
    for (const name of bots) {
      const made = {
        id: createHash("sha256").update(`${name} ${at}`).digest("hex"),
        time: at,
        tags: [name] as [string],
      };
      state.simulated.push(made);
      state.bots[name] = { good: at, snapshot: made.id.slice(0, 8), tried: at, problem: "", why: "simulated" };
    }
    state.run = { phase: "done", started: at, ended: at };
  } else if (verb === "check") state.check = { good: at, tried: at, problem: "", why: "simulated" };
  else if (verb !== "restore") return refuse("unknown order; allowed: now, check, list, restore");
  else if (line.split(" ").length !== 5) return refuse("expected: restore <id> <bot> <snapshot> folder|in-place");
  else if (!/^[0-9a-f]{16}$/.test(id)) return refuse("the id is not 16 hex digits");
  else if (!bots.includes(bot))
    return refuse(`no bot of that name is backed up here; allowed: ${bots.join(" ")}`, "unknown-bot");
  else if (!/^(latest|[0-9a-f]{8,64})$/.test(snapshot))
    return refuse('the snapshot is neither "latest" nor 8 to 64 hex digits');
  else if (to !== "folder" && to !== "in-place") return refuse("allowed: folder or in-place");
  else {
    const own = state.simulated.filter(({ tags }) => tags[0] === bot);
    const found = snapshot === "latest" ? own.at(-1) : own.find((each) => each.id.startsWith(snapshot));
    const place = to === "in-place" ? ".replaced" : ".restored";
    const end = found
      ? { result: "restored", folder: `/srv/clawdbot/${place}/${bot}`, why: "simulated" }
      : { result: "returned", folder: "", why: "missing: there is no such snapshot" };
    state.restore = { id, bot, snapshot, to, phase: "done", ...end };
  }
  return ok(save(fs.tree, state));
}

export const backupCommands: CommandTable = { "clawdlets-backup": backup };

function botsOf(tree: FileTree, hostname: string): string[] {
  const { node } = tree.find(`/var/lib/clawdlets/secrets/hosts/${hostname}`, ROOT);
  const names = node?.kind === "dir" ? [...node.children.keys()] : [];
  const pattern = /^(?:discord_token_(.+)|(.+)_openclaw_gateway_token)\.yaml$/;
  return [
    ...new Set(names.flatMap((name) => (pattern.exec(name) ?? []).slice(1).filter((each) => each !== undefined))),
  ];
}

function load(tree: FileTree): State {
  const path = `${folder}/state.json`;
  return exists(tree, path) ? { ...empty(), ...JSON.parse(tree.readFile(path, ROOT).toString()) } : empty();
}

function save(tree: FileTree, state: State): string {
  const text = `${JSON.stringify(state)}\n`;
  tree.makeDirectories(folder, ROOT);
  tree.writeFile(`${folder}/state.json`, Buffer.from(text), ROOT, 0o644);
  return text;
}
