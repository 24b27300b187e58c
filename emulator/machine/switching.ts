import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { chooseSystem, exists, generationsOf, isBroken, repositoryOf, revealSecrets } from "./activation.ts";
import { buildFor } from "./building.ts";
import type { Host } from "./commands/context.ts";
import { ROOT } from "./inode.ts";
import type { FileTree } from "./tree.ts";

/** A twentieth, as all waiting in the guest. */
const SECOND_MS = 50;
/** How long building and switching take with a system that has no haste: long enough to be disturbed. */
const SLOW_MS = 2000;
const FOLDER = "/var/lib/clawdlets/activation";
const KEY_FILE = "/var/lib/sops-nix/key.txt";
const SECRETS = "/var/lib/clawdlets/secrets/hosts";

interface State {
  id: string;
  phase: string;
  result: string;
  rev: string;
  from: string;
  to: string;
  /** Milliseconds since the epoch here, seconds on a real host. */
  deadline: string;
  seconds: string;
  bootId: string;
  why: string;
}

export class OrderRefused extends Error {
  readonly isTooEarly: boolean;
  constructor(message: string, isTooEarly = false) {
    super(message);
    this.isTooEarly = isTooEarly;
  }
}

/** One order, as nix/host/activate.sh takes it. @returns the state as JSON @throws OrderRefused */
export function takeOrder(host: Host, tree: FileTree, order: string): string {
  const words = order.split(" ");
  const state = load(tree);
  const [verb, id = ""] = words;
  if (verb === "prepare" && /^prepare [0-9a-f]{16} [0-9a-f]{64} [1-9][0-9]{1,3}$/.test(order)) {
    prepare(host, tree, state, words);
  } else if (verb === "switch" && /^switch [0-9a-f]{16} ([0-9a-f]{40}|newest|previous)$/.test(order)) {
    if (state?.id !== id || state.phase !== "prepared") throw new OrderRefused(`the activation ${id} is not prepared`);
    save(tree, { ...state, phase: "building", rev: words[2] ?? "" });
    host.later(SECOND_MS, () => run(host, tree));
  } else if (verb === "confirm" && /^confirm [0-9a-f]{16} [0-9a-f]{64}$/.test(order)) {
    confirm(host, tree, state, words);
  } else if (verb === "cancel" && /^cancel [0-9a-f]{16}$/.test(order)) {
    cancel(host, tree, state, id);
  } else throw new OrderRefused("allowed orders: prepare, switch, confirm, cancel");
  return tree.readFile(`${FOLDER}/state.json`, ROOT).toString();
}

function prepare(
  host: Host,
  tree: FileTree,
  state: State | null,
  [, id = "", token = "", seconds = ""]: string[],
): void {
  if (Number(seconds) > 3600) throw new OrderRefused("allowed: prepare, 16 hex digits, 64 hex digits, 10 to 3600");
  if (state && state.phase !== "done") throw new OrderRefused(`the activation ${state.id} is ${state.phase}`);
  if (state?.id === id) throw new OrderRefused(`the activation ${id} is over`);
  const deadline = String(Date.now() + Number(seconds) * SECOND_MS);
  const from = tree.existing("/run/current-system", ROOT).absolute;
  put(tree, "token", token);
  put(tree, "key.sum", sum(tree));
  keepSecrets(tree, host.hostname);
  save(tree, { id, phase: "prepared", result: "", rev: "", from, to: "", deadline, seconds, bootId: "", why: "" });
  host.later(Number(seconds) * SECOND_MS + 1, () => watch(host, tree, "deadline"));
}

function confirm(host: Host, tree: FileTree, state: State | null, [, id, token = ""]: string[]): void {
  if (state?.id !== id) throw new OrderRefused(`there is no activation ${id}`);
  const known = tree.readFile(`${FOLDER}/token`, ROOT).toString();
  if (createHash("sha256").update(token).digest("hex") !== known) throw new OrderRefused("another token");
  if (state?.phase === "done" && state.result === "switched") return;
  if (state && /^(prepared|building|switching|checking|rebooting)$/.test(state.phase)) {
    throw new OrderRefused(`it is ${state.phase}`, true);
  }
  if (state?.phase !== "waiting") throw new OrderRefused(`it is ${state?.phase}: ${state?.why}`);
  if (Date.now() >= Number(state.deadline)) throw new OrderRefused("the deadline is over");
  if (tree.existing("/run/current-system", ROOT).absolute !== state.to) throw new OrderRefused("another system runs");
  save(tree, { ...state, phase: "done", result: "switched" });
  tree.remove(keptOf(host.hostname), ROOT, true);
}

function cancel(host: Host, tree: FileTree, state: State | null, id: string): void {
  if (state?.id !== id) throw new OrderRefused(`there is no activation ${id}`);
  if (state.phase === "prepared") {
    goBack(host, tree, "cancelled");
    return;
  }
  if (state.phase === "building") {
    save(tree, { ...state, phase: "returning", why: "cancelled" });
    return;
  }
  if (state.phase !== "done") {
    throw new OrderRefused(`it is ${state.phase}; without a confirmation it goes back by itself`);
  }
}

/** The transient unit: it does not belong to the session that asked for it. */
async function run(host: Host, tree: FileTree): Promise<void> {
  const asked = load(tree);
  const repository = repositoryOf(tree);
  if (asked === null || repository === null) return;
  const built = asked.rev === "previous" ? previous(tree) : await buildFor(host, tree, repository, asked.rev);
  if (typeof built !== "string" && isBroken(tree, `${built.system}/etc`, "haste")) {
    host.later(SLOW_MS, () => choose(host, tree, asked.id, built));
  } else {
    choose(host, tree, asked.id, built);
  }
}

function choose(host: Host, tree: FileTree, id: string, built: { rev: string; system: string } | string): void {
  const state = load(tree);
  if (state?.id !== id || state.phase !== "building") {
    goBack(host, tree, state?.why ?? "");
    return;
  }
  if (typeof built === "string") {
    goBack(host, tree, built);
    return;
  }
  const deadline = String(Date.now() + Number(state.seconds) * SECOND_MS);
  save(tree, { ...state, phase: "switching", rev: built.rev, to: built.system, deadline });
  chooseSystem(tree, built.system);
  host.later(isBroken(tree, `${built.system}/etc`, "haste") ? SLOW_MS : SECOND_MS, () => switchOver(host, tree));
}

function previous(tree: FileTree): { rev: string; system: string } | string {
  const generations = generationsOf(tree);
  const before = generations[generations.findIndex(({ isCurrent }) => isCurrent) - 1];
  return before ? { rev: "previous", system: before.system } : "there is no earlier generation";
}

function switchOver(host: Host, tree: FileTree): void {
  const state = load(tree);
  if (state?.phase !== "switching") return;
  host.activateSystem(state.to);
  const ofSystem = `${state.to}/etc`;
  const isSwitched = !isBroken(tree, ofSystem, "switch");
  if (isSwitched && !isBroken(tree, ofSystem, "health")) {
    wait(host, tree, state);
    return;
  }
  const status = "switching to it ended with status 4; see journalctl --unit=clawdlets-activation.service";
  goBack(host, tree, isSwitched ? "a health command fails: false" : status);
}

function wait(host: Host, tree: FileTree, state: State): void {
  save(tree, { ...state, phase: "waiting", bootId: host.bootId });
  host.later(Math.max(0, Number(state.deadline) - Date.now()) + 1, () => watch(host, tree, "deadline"));
}

/** When a deadline is over, and at boot, when nothing that was at work is so any more. */
export function watch(host: Host, tree: FileTree, when: "deadline" | "boot"): void {
  const state = load(tree);
  if (state === null || state.phase === "done") return;
  const left = Number(state.deadline) - Date.now();
  const isAwaited = state.phase === "prepared" || state.phase === "waiting";
  if (isAwaited && left <= 0) {
    const why = `nobody confirmed within ${state.seconds} s that it can be reached`;
    goBack(host, tree, state.phase === "prepared" ? "nothing came after prepare" : why);
  } else if (state.phase === "waiting" && when === "boot") {
    wait(host, tree, state);
  } else if (isAwaited) {
    host.later(left + 1, () => watch(host, tree, "deadline"));
  } else if (when === "boot") {
    goBack(host, tree, state.why || `its run was interrupted while ${state.phase}`);
  }
}

function goBack(host: Host, tree: FileTree, why: string): void {
  const state = load(tree);
  if (state === null) return;
  returnSecrets(tree, host.hostname);
  if (state.to !== "") {
    chooseSystem(tree, state.from);
    host.activateSystem(state.from);
  }
  save(tree, { ...state, phase: "done", result: "returned", why, bootId: host.bootId });
}

const keptOf = (name: string) => `${SECRETS}/.${name}.kept`;

function keepSecrets(tree: FileTree, name: string): void {
  copyFolder(tree, `${SECRETS}/${name}`, keptOf(name));
}

function returnSecrets(tree: FileTree, name: string): void {
  const kept = keptOf(name);
  if (!exists(tree, kept)) return;
  if (tree.readFile(`${FOLDER}/key.sum`, ROOT).toString() === sum(tree)) {
    copyFolder(tree, kept, `${SECRETS}/${name}`);
    revealSecrets(tree);
  }
  tree.remove(kept, ROOT, true);
}

function copyFolder(tree: FileTree, from: string, to: string): void {
  const node = exists(tree, from) ? tree.existing(from, ROOT).node : null;
  if (exists(tree, to)) tree.remove(to, ROOT, true);
  tree.makeDirectories(to, ROOT);
  if (node?.kind !== "dir") return;
  for (const name of node.children.keys()) {
    tree.writeFile(`${to}/${name}`, tree.readFile(`${from}/${name}`, ROOT), ROOT, 0o400);
  }
}

function sum(tree: FileTree): string {
  return createHash("sha256")
    .update(exists(tree, KEY_FILE) ? tree.readFile(KEY_FILE, ROOT) : "")
    .digest("hex");
}

function load(tree: FileTree): State | null {
  if (!exists(tree, `${FOLDER}/state.json`)) return null;
  return JSON.parse(tree.readFile(`${FOLDER}/state.json`, ROOT).toString()) as State;
}

function save(tree: FileTree, state: State): void {
  put(tree, "state.json", `${JSON.stringify(state)}\n`, 0o644);
}

function put(tree: FileTree, name: string, text: string, mode = 0o600): void {
  tree.makeDirectories(FOLDER, ROOT);
  tree.writeFile(`${FOLDER}/${name}`, Buffer.from(text), ROOT, mode);
}
