import type { FileTree } from "../files/tree.ts";
import { activatedSystem } from "./activation.ts";
import type { MachineControls } from "./machine-controls.ts";
import { OrderRefused } from "./refusals.ts";
import { releaseProblem } from "./releases.ts";
import { isToken, keepFormer, loadState, markConfirmed, SECOND_MS, type State, saveState } from "./switch-state.ts";
import { begin, expire, goBack } from "./switching.ts";

const allowedWords: Record<string, [pattern: RegExp, words: string]> = {
  prepare: [/^prepare [0-9a-f]{16} [0-9a-f]{64} [1-9][0-9]{1,3}$/, "prepare, 16 hex digits, 64 hex digits, 10 to 3600"],
  switch: [
    /^switch [0-9a-f]{16} ([0-9a-f]{40}|newest|previous|\/nix\/store\/[\w.+?=-]{1,250}|source:\/nix\/store\/[\w.+=-]{1,250}\?[\w.%=&/-]{1,300})( [1-9][0-9]{0,14} [\w.@+-]{1,100}:[A-Za-z0-9+/]{86}==( downgrade)?)?$/,
    "switch, 16 hex digits, and a full commit (40 hex digits), newest, previous, a store path or a source; then release, signature, downgrade",
  ],
  confirm: [/^confirm [0-9a-f]{16} [0-9a-f]{64}$/, "confirm, 16 hex digits, 64 hex digits"],
  cancel: [/^cancel [0-9a-f]{16}$/, "cancel, 16 hex digits"],
};

/** One order, as nix/host/activate.sh takes it. @returns the state as JSON @throws OrderRefused */
export function takeOrder(machine: MachineControls, tree: FileTree, order: string): string {
  const [verb = "", ...words] = order.split(" ");
  const allowed = words.length > 0 ? allowedWords[verb] : undefined;
  if (allowed === undefined)
    throw new OrderRefused("unknown-order", "allowed orders: prepare, switch, confirm, cancel");
  if (!allowed[0].test(order)) throw new OrderRefused("unknown-order", `allowed: ${allowed[1]}`);
  const state = loadState(tree);
  if (verb === "prepare") return prepare(machine, tree, state, words);
  const [id = "", operand = ""] = words;
  if (verb === "switch") return switchTo(machine, tree, state, words);
  if (state?.id !== id) throw new OrderRefused("not-current", `this host has no activation ${id}`);
  return verb === "confirm" ? confirm(tree, state, operand) : cancel(machine, tree, state);
}

function prepare(machine: MachineControls, tree: FileTree, state: State | null, words: readonly string[]): string {
  const [id = "", token = "", seconds = ""] = words;
  if (Number(seconds) > 3600) throw new OrderRefused("unknown-order", `allowed: ${allowedWords["prepare"]?.[1]}`);
  if (state && state.phase !== "done") throw new OrderRefused("busy", `activation ${state.id} is ${state.phase}`);
  if (state?.id === id) throw new OrderRefused("ended", `activation ${id} has ended`);
  keepFormer(tree, machine.hostname, token);
  const deadline = String(Date.now() + Number(seconds) * SECOND_MS);
  const from = activatedSystem(tree);
  const prepared = {
    id,
    phase: "prepared",
    result: "",
    rev: "",
    release: "",
    from,
    to: "",
    deadline,
    seconds,
    bootId: "",
    code: "",
    why: "",
  };
  const answer = saveState(tree, prepared);
  expire(machine, tree, id);
  return answer;
}

function switchTo(machine: MachineControls, tree: FileTree, state: State | null, words: readonly string[]): string {
  const [id = "", rev = "", release = "", signature = "", downgrade] = words;
  if (state?.id !== id || state.phase !== "prepared")
    throw new OrderRefused("not-prepared", `activation ${id} is not prepared`);
  const problem = releaseProblem(tree, machine.hostname, {
    what: rev,
    release,
    signature,
    downgrade: downgrade !== undefined,
  });
  if (problem) throw new OrderRefused(...problem);
  const answer = saveState(tree, { ...state, phase: "building", rev, release });
  begin(machine, tree);
  return answer;
}

function confirm(tree: FileTree, state: State, token: string): string {
  if (!isToken(tree, token)) throw new OrderRefused("wrong-token", "another token");
  if (/^(prepared|building|switching|checking|rebooting)$/.test(state.phase)) {
    throw new OrderRefused("too-early", `it is ${state.phase}`);
  }
  if (state.phase === "waiting") {
    if (Date.now() >= Number(state.deadline)) throw new OrderRefused("too-late", "the deadline has passed");
    if (activatedSystem(tree) !== state.to) throw new OrderRefused("other-system", "the host runs another system");
    markConfirmed(tree);
  } else if (state.result !== "switched") throw new OrderRefused("ended", `it is ${state.phase}: ${state.why}`);
  return saveState(tree, state);
}

function cancel(machine: MachineControls, tree: FileTree, state: State): string {
  if (state.phase === "done") return saveState(tree, state);
  if (state.phase === "building") return saveState(tree, { ...state, phase: "returning", why: "cancelled" });
  if (state.phase !== "prepared") {
    throw new OrderRefused("too-late", `it is ${state.phase}; without a confirmation it rolls back on its own`);
  }
  goBack(machine, tree, "cancelled");
  return saveState(tree, loadState(tree) ?? state);
}
