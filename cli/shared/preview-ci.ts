import { UserError } from "../../core/base/errors.ts";
import { exitCodes } from "../../core/base/exit-codes.ts";
import { didYouMean } from "../../core/base/nearest.ts";
import { printable } from "../../core/base/wording.ts";
import { findLayout } from "../../core/project/layout.ts";
import { engineOrSetUp } from "../../engine/environment.ts";
import { type Format, formatReport, formats, jsonOf } from "../../engine/preview/plan/format.ts";
import { exitCodeOf } from "../../engine/preview/plan/report.ts";
import { stacksIn } from "../../engine/preview/plan/stack-checks.ts";
import { previewState } from "../../engine/preview/shared-state.ts";
import { previewThrowaway } from "../../engine/preview/throwaway.ts";
import { stopSignal } from "../../engine/signals.ts";
import { startProgress } from "../screen/index.ts";
import { printJson } from "./output.ts";

export interface CiOptions {
  ci?: boolean;
  stack?: string[];
  all?: boolean;
  format?: string;
  base?: string;
  state?: boolean;
  json?: boolean;
  refresh: boolean;
}

/** `clawdlets preview --ci`: the report goes to stdout, how it goes to stderr, and the verdict is the exit code. */
export async function previewInCi({ stack = [], all, format, json, base, state, refresh }: CiOptions): Promise<void> {
  const asked = formatOf(format ?? (json ? "json" : "text"));
  if (json && asked !== "json") throw usage(`--json and --format ${asked} cannot be combined: pass one of them.`);
  const layout = findLayout(process.cwd());
  const there = stacksIn(layout);
  for (const name of all ? [] : stack) {
    if (there.includes(name)) continue;
    const known = there.length > 0 ? `; there are ${there.join(", ")}` : "";
    throw usage(`--stack ${name}: there is no stacks/Pulumi.${name}.yaml${didYouMean(name, there)}${known}.`);
  }
  if (there.length === 0) throw usage(`${layout.stacks} has no stack files. Create one: clawdlets init --host NAME`);
  if (state && base !== undefined)
    throw usage("--base compares with a revision, --state with the state: pass one of them.");
  const hosts = all || stack.length === 0 ? there : [...new Set(stack)];
  const tell = startProgress();
  const engine = await engineOrSetUp(tell);
  const signal = stopSignal();
  const report = await (state
    ? previewState({ layout, engine, hosts, tell, signal, refresh: refresh ? undefined : false })
    : previewThrowaway({ layout, engine, hosts, base, tell, signal }));
  if (asked === "json") printJson(jsonOf(report));
  else {
    // Markdown's own zero-width spaces, which keep "@everyone" from calling anybody, stay.
    const zeroWidth = "\u200b";
    process.stdout.write(formatReport(report, asked).split(zeroWidth).map(printable).join(zeroWidth));
  }
  process.exitCode = exitCodeOf(report.verdict);
}

function formatOf(text: string): Format {
  const format = formats.find((each) => each === text);
  if (format) return format;
  throw usage(`--format is "${text}"; allowed: ${formats.join(", ")}.`);
}

const usage = (message: string) => new UserError(message, { exitCode: exitCodes.usage });
