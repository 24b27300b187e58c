import JSON5 from "json5";
import type { Problem } from "../../base/problem.ts";
import { referencesIn } from "./references.ts";

/** OpenClaw's configuration as it is written; the options are OpenClaw's, and only what is asked for is judged. */
export type OpenclawConfig = Readonly<Record<string, unknown>>;

/** JSON5's own errors name the place, and its types do not say so. */
type SyntaxProblem = SyntaxError & { lineNumber?: number };

/** Parses a bot's configuration as OpenClaw does. @param file relative to the project */
export function parseOpenclaw(text: string, file: string): { value?: OpenclawConfig; problems: Problem[] } {
  const about = { subject: file };
  let value: unknown;
  try {
    value = JSON5.parse(text);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    const line = (error as SyntaxProblem).lineNumber ?? 1;
    const problem = `line ${line} is not valid JSON5: ${error.message.replace(/^JSON5: /, "")}.`;
    return { problems: [{ ...about, code: "invalid-syntax", at: { file, line }, problem }] };
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    const problem = "is not an object; allowed: { … }, as docs.openclaw.ai describes it.";
    return { problems: [{ ...about, code: "file-invalid", problem }] };
  }
  const found = [...entriesOf(value)];
  const problems = [...includes(found, file), ...hiddenReferences(found, text, file), ...tooDeep(found, file)];
  return problems.length > 0 ? { problems } : { value: value as OpenclawConfig, problems };
}

/** A value with the keys that lead to it. */
export interface Entry {
  path: readonly string[];
  value: unknown;
}

/** OpenClaw's deepest option is at about 10. */
const maxDepth = 100;

/** Every value of a configuration, down to the deepest level. Without recursion: a megabyte of brackets would overflow the stack. */
export function* entriesOf(root: unknown): Generator<Entry> {
  const open: Entry[] = [{ path: [], value: root }];
  for (let entry = open.pop(); entry; entry = open.pop()) {
    yield entry;
    const { path, value } = entry;
    if (typeof value !== "object" || value === null || path.length === maxDepth) continue;
    for (const [key, child] of Object.entries(value).reverse()) open.push({ path: [...path, key], value: child });
  }
}

/** Only this one file reaches the host, so an included one would be missing there, with the secrets that it names. */
function includes(found: readonly Entry[], file: string): Problem[] {
  return found
    .filter(({ path }) => path.at(-1) === "$include")
    .map(({ path }) => ({
      code: "file-invalid",
      subject: file,
      setting: path.join("."),
      problem: "includes another file, and only openclaw.json is sent to the host.",
      fix: "Copy its content into this file.",
    }));
}

function tooDeep(found: readonly Entry[], file: string): Problem[] {
  const isDeep = ({ path, value }: Entry) => path.length === maxDepth && typeof value === "object" && value !== null;
  if (!found.some(isDeep)) return [];
  const problem = `is nested more than ${maxDepth} levels deep.`;
  return [{ code: "file-invalid", subject: file, problem }];
}

/** `"\u0024{NAME}"` is a reference to OpenClaw, and not one that can be found in the text. */
function hiddenReferences(found: readonly Entry[], text: string, file: string): Problem[] {
  const visible = new Set(referencesIn(text));
  return found.flatMap(({ path, value }): Problem[] => {
    if (typeof value !== "string") return [];
    const hidden = referencesIn(value).filter((name) => !visible.has(name));
    return hidden.map((name) => ({
      code: "file-invalid",
      subject: file,
      setting: path.join("."),
      problem: `refers to ${name} with an escape or a line break inside.`,
      fix: `Write it out: \${${name}}`,
    }));
  });
}
