import type { EngineEvent } from "@pulumi/pulumi/automation/index.js";
import pc from "picocolors";
import { printable } from "../core/base/wording.ts";

export { printable } from "../core/base/wording.ts";

/** Where progress goes: standard error, so that standard output stays for results. */
export interface Progress {
  (text: string): void;
  readonly startedAt: number;
}

/** Lines with the time since the start. Control characters of remote text are made visible. */
export function startProgress(): Progress {
  const startedAt = Date.now();
  const tell = (text: string): void => {
    const seconds = ((Date.now() - startedAt) / 1000).toFixed(1).padStart(7);
    process.stderr.write(`${pc.dim(`${seconds}s`)}  ${printable(text)}\n`);
  };
  return Object.assign(tell, { startedAt });
}

const verbs: Record<string, [string, string]> = {
  create: ["creating", "created"],
  update: ["updating", "updated"],
  delete: ["deleting", "deleted"],
  replace: ["replacing", "replaced"],
  "create-replacement": ["creating a replacement", "created a replacement"],
  "delete-replaced": ["deleting the replaced", "deleted the replaced"],
};

/**
 * Turns the engine's events into lines: what is bought or changed, what our own commands tell, and every error. In a preview
 * nothing is bought or changed; its plan says what would be, and has its warnings (preview/plan).
 */
export function showEvents(progress: (text: string) => void, isPreview = false): (event: EngineEvent) => void {
  return ({ resourcePreEvent, resOutputsEvent, diagnosticEvent }) => {
    if (isPreview && (resourcePreEvent || resOutputsEvent || diagnosticEvent?.severity === "warning")) return;
    const metadata = (resourcePreEvent ?? resOutputsEvent)?.metadata;
    const words = metadata && verbs[metadata.op];
    if (metadata && words && isReal(metadata.type)) {
      progress(
        `${resourcePreEvent ? words[0] : words[1]} ${shortType(metadata.type)} ${metadata.urn.split("::").at(-1)}`,
      );
    }
    // The engine sends its debug lines too, though its type does not say so.
    if (String(diagnosticEvent?.severity) === "debug") return;
    if (diagnosticEvent && !diagnosticEvent.ephemeral) {
      const text = withoutMarks(diagnosticEvent.message);
      if (text !== "") progress(text);
    }
    if (diagnosticEvent?.ephemeral && diagnosticEvent.severity === "info") progress(diagnosticEvent.message.trimEnd());
  };
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
const shortType = (type: string) => type.split(":").at(-1) ?? type;
