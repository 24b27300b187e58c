import type { ToolchainEvent } from "../../toolchain/index.ts";
import { type Progress, showStep } from "./progress.ts";

/** Turns the events of the engine's set-up into progress: one row for each component. */
export function showSetUp(progress: Progress): (event: ToolchainEvent) => void {
  return ({ kind, component, seconds, text }) => {
    const line = `engine: ${component}${text === undefined ? "" : ` (${text})`}`;
    const row = { id: `engine ${component}`, title: component, ...(text !== undefined && { detail: text }) };
    const after = `after ${Math.round(seconds)} s`;
    if (kind === "note") progress(`engine: ${component}: ${text ?? ""}`);
    if (kind === "start") showStep(progress, { ...row, state: "running", line: `${line}: setting up` });
    if (kind === "going") showStep(progress, { ...row, state: "running", line: `${line}: still working ${after}` });
    if (kind === "done") showStep(progress, { ...row, state: "done", line: `${line}: done ${after}` });
  };
}
