import type { FileTree } from "../files/tree.ts";
import { activatedSystem, chooseSystem, generationsOf, isBroken, repositoryOf, takeBack } from "./activation.ts";
import { buildFor } from "./building.ts";
import type { MachineControls } from "./machine-controls.ts";
import { keepRelease } from "./releases.ts";
import {
  forgetSecrets,
  isConfirmed,
  loadState,
  returnSecrets,
  SECOND_MS,
  type State,
  saveState,
} from "./switch-state.ts";

/** How long each phase takes with a system that has no haste: long enough to be disturbed. */
const SLOW_MS = 3500;
const UNIT = "clawdlets-activation.service";

type Wanted = { rev: string; system: string };

/** Starts the transient unit: it does not belong to the session that asked for it. */
export function begin(machine: MachineControls, tree: FileTree): void {
  machine.later(SECOND_MS, async () => {
    const asked = loadState(tree);
    const repository = repositoryOf(tree);
    if (asked === null || repository === null) return;
    const built =
      asked.rev === "previous"
        ? previous(tree)
        : /^(?:source:)?\//.test(asked.rev)
          ? pushed(tree, asked.rev)
          : await buildFor(machine, tree, repository, asked.rev);
    const pause = typeof built === "string" ? 0 : pauseOf(tree, built.system);
    machine.later(pause, () => choose(machine, tree, asked.id, built));
  });
}

function choose(machine: MachineControls, tree: FileTree, id: string, built: Wanted | string): void {
  const state = loadState(tree);
  if (state?.id !== id || state.phase !== "building") {
    goBack(machine, tree, state?.why ?? ""); // Cancelled meanwhile.
    return;
  }
  if (typeof built === "string") {
    goBack(machine, tree, built);
    return;
  }
  const deadline = String(Date.now() + Number(state.seconds) * SECOND_MS);
  saveState(tree, { ...state, phase: "switching", rev: built.rev, to: built.system, deadline });
  chooseSystem(tree, built.system);
  if (isBroken(tree, `${built.system}/etc`, "boot")) goBack(machine, tree, "could not select it for the next boot");
  else machine.later(pauseOf(tree, built.system), () => switchOver(machine, tree));
}

function previous(tree: FileTree): Wanted | string {
  const generations = generationsOf(tree);
  const before = generations[generations.findIndex(({ isCurrent }) => isCurrent) - 1];
  return before ? { rev: "previous", system: before.system } : "there is no earlier generation";
}

/** Systems that have run here. Nothing can be copied to an emulated store: it knows no signatures. */
function pushed(tree: FileTree, system: string): Wanted | string {
  if (generationsOf(tree).some((each) => each.system === system)) return { rev: system, system };
  return `${system} is not completely in the host's store; was the copy cut?`;
}

function switchOver(machine: MachineControls, tree: FileTree): void {
  const state = loadState(tree);
  if (state?.phase !== "switching") return;
  const failed = (status: number) =>
    goBack(machine, tree, `switching to it failed with status ${status}; see journalctl --unit=${UNIT}`);
  if (isBroken(tree, `${state.to}/etc`, "hang")) {
    machine.later(Number(state.seconds) * SECOND_MS, () => failed(124));
    return;
  }
  machine.activateSystem(state.to);
  if (isBroken(tree, `${state.to}/etc`, "switch")) {
    failed(4);
    return;
  }
  saveState(tree, { ...state, phase: "checking" });
  machine.later(pauseOf(tree, state.to), () => check(machine, tree));
}

function check(machine: MachineControls, tree: FileTree): void {
  const state = loadState(tree);
  if (state?.phase !== "checking") return;
  if (isBroken(tree, `${state.to}/etc`, "health")) {
    if (Date.now() >= Number(state.deadline)) goBack(machine, tree, "a health command failed: false");
    else machine.later(2 * SECOND_MS, () => check(machine, tree));
  } else if (isBroken(tree, `${state.to}/etc`, "kernel")) {
    saveState(tree, { ...state, phase: "rebooting" });
    machine.reboot();
  } else wait(machine, tree, state);
}

function wait(machine: MachineControls, tree: FileTree, state: State): void {
  saveState(tree, { ...state, phase: "waiting", bootId: machine.bootId, why: "" });
  expire(machine, tree, state.id);
}

/** Looks each second whether what waits for an order, or for a confirmation, has got it or has to end. */
export function expire(machine: MachineControls, tree: FileTree, id: string): void {
  const state = loadState(tree);
  if (state?.id !== id) return;
  const isOver = Date.now() >= Number(state.deadline);
  if (state.phase === "waiting" && isConfirmed(tree)) {
    keepRelease(tree, state.release);
    saveState(tree, { ...state, phase: "done", result: "switched" });
    forgetSecrets(tree, machine.hostname);
  } else if (state.phase === "waiting" && isOver) {
    goBack(machine, tree, `not confirmed within ${state.seconds} s over a new connection`);
  } else if (state.phase === "prepared" && isOver) {
    goBack(machine, tree, "prepare was not followed by a switch");
  } else if (state.phase === "waiting" || state.phase === "prepared") {
    machine.later(SECOND_MS, () => expire(machine, tree, id));
  }
}

/** At boot, when nothing that was at work is so any more. */
export function watch(machine: MachineControls, tree: FileTree): void {
  const state = loadState(tree);
  if (state === null || state.phase === "done") return;
  if (state.phase === "prepared") expire(machine, tree, state.id);
  else if (state.phase === "waiting") wait(machine, tree, state);
  else if (state.phase === "returning") goBack(machine, tree, state.why);
  else if (state.phase !== "rebooting") goBack(machine, tree, `its run was interrupted while ${state.phase}`);
  else if (activatedSystem(tree) === state.to && Date.now() < Number(state.deadline)) wait(machine, tree, state);
  else goBack(machine, tree, "it did not boot in time");
}

/** Begun once, it is gone on with until it is so, over reboots too. */
export function goBack(machine: MachineControls, tree: FileTree, why: string): void {
  const state = loadState(tree);
  if (state === null) return;
  const returning = { ...state, phase: "returning", why };
  saveState(tree, returning);
  const finish = () => {
    returnSecrets(tree, machine.hostname);
    if (state.to !== "") {
      takeBack(tree, state.from, state.to);
      machine.activateSystem(state.from);
    }
    saveState(tree, { ...returning, phase: "done", result: "returned", bootId: machine.bootId });
  };
  if (state.to === "") finish();
  else machine.later(pauseOf(tree, state.to), finish);
}

const pauseOf = (tree: FileTree, system: string) => (isBroken(tree, `${system}/etc`, "haste") ? SLOW_MS : SECOND_MS);
