import type { EngineEvent } from "@pulumi/pulumi/automation/index.js";
import { readLimit } from "../../core/base/limits.ts";
import { operationTexts } from "./operations.ts";
import { type Progress, showStep } from "./progress.ts";

/**
 * Turns the engine's events into progress: what is bought or changed, what our own commands report, and every error. In a preview
 * nothing is bought or changed; its plan says what would be, and has its warnings (preview/plan).
 */
export function showEvents(progress: Progress, isPreview = false): (event: EngineEvent) => void {
  const rows = new Map<string, string>();
  return ({ resourcePreEvent, resOutputsEvent, resOpFailedEvent, diagnosticEvent }) => {
    if (isPreview && (resourcePreEvent || resOutputsEvent || diagnosticEvent?.severity === "warning")) return;
    const metadata = (resourcePreEvent ?? resOutputsEvent ?? resOpFailedEvent)?.metadata;
    const texts = metadata && isReal(metadata.type) ? textsOf(metadata) : undefined;
    if (metadata && texts) {
      const id = `${metadata.op} ${metadata.urn}`;
      rows.set(metadata.urn, id);
      const [doing, done] = texts;
      if (resourcePreEvent) showStep(progress, { id, state: "running", title: doing, line: doing });
      if (resOutputsEvent) showStep(progress, { id, state: "done", title: done, line: done });
      if (resOpFailedEvent) showStep(progress, { id, state: "failed" }); // Its error comes as a diagnostic.
    }
    // The engine sends its debug lines too, though its type does not say so.
    if (!diagnosticEvent || String(diagnosticEvent.severity) === "debug") return;
    const { urn = "", message, severity, ephemeral } = diagnosticEvent;
    if (!ephemeral) {
      const text = withoutMarks(message);
      if (text !== "") progress(text);
    } else if (severity === "info") showMilestone(progress, rows.get(urn), message.trimEnd());
  };
}

/** A line of one of our commands: `[kexec] Done!` is a part of its row, anything else what the row is doing. */
function showMilestone(progress: Progress, row: string | undefined, line: string): void {
  if (row === undefined) {
    progress(line);
    return;
  }
  const { text, limitSeconds } = readLimit(line);
  const [, name, said] = /^\[([a-z]+)\] ([\s\S]*)$/.exec(text) ?? [];
  const limit = limitSeconds === undefined ? {} : { limitSeconds };
  if (name === undefined || said === undefined) {
    showStep(progress, { id: row, state: "running", detail: text, line, ...limit });
    return;
  }
  showStep(progress, {
    id: `${row}/${name}`,
    parent: row,
    state: "running",
    title: name,
    detail: said,
    line,
    ...limit,
  });
}

type Metadata = NonNullable<EngineEvent["resourcePreEvent"]>["metadata"];

/** What our commands do when they run, by their component. */
const commandTexts: Readonly<Record<string, [doing: string, done: string]>> = {
  NixosInstall: ["installing NixOS", "installed NixOS"],
  Lockdown: ["proving the lockdown", "proved the lockdown"],
  NixosConfiguration: ["updating the host to its commit", "the host runs its commit"],
};

function textsOf({ op, urn, type }: Metadata): [doing: string, done: string] | undefined {
  const [types = "", name = ""] = urn.split("::").slice(-2);
  const component = types.split("$").at(-2)?.split(":").at(-1) ?? "";
  const ofCommand = type === "command:local:Command" ? commandTexts[component] : undefined;
  // The engine replaces a command to run it again: its own words for that are of no interest.
  if (ofCommand && (op === "replace" || op === "delete-replaced")) return undefined;
  if (ofCommand && (op === "create" || op === "create-replacement")) return ofCommand;
  if (component === "NixosConfiguration" && op === "update") return ofCommand;
  return operationTexts(op, `${type.split(":").at(-1) ?? type} ${name}`);
}

/** The engine marks where colours would be. */
const withoutMarks = (message: string): string => message.replace(/<\{%[^%]*%\}>/g, "").trimEnd();

/** The lines of a diagnostic that say something. */
export function plainLines(message: string): string[] {
  return withoutMarks(message)
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "");
}

/** Not components and the stack itself: they cost nothing and come about at once. */
const isReal = (type: string) => !type.startsWith("clawdlets:") && !type.startsWith("pulumi:");
