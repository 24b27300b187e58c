import { existsSync, readdirSync, readFileSync } from "node:fs";
import { relative } from "node:path";
import writeFileAtomic from "write-file-atomic";
import { type Document, parseDocument } from "yaml";
import type { Problem } from "../errors.ts";
import { hostLayoutOf, type Layout } from "../local/layout.ts";
import { hostNamePattern } from "./names.ts";
import { checkStackConfig, configNamespace, type StackConfig } from "./stack-config.ts";

/** The hosts that have a stack file, sorted. */
export function listStackFiles(layout: Layout): string[] {
  if (!existsSync(layout.stacks)) return [];
  return readdirSync(layout.stacks)
    .flatMap((file) => /^Pulumi\.(.+)\.yaml$/.exec(file)?.[1] ?? [])
    .sort();
}

/** Reads one stack file without the engine. */
export function readStackFile(layout: Layout, host: string): { value?: StackConfig; problems: Problem[] } {
  const file = hostLayoutOf(layout, host).stackFile;
  const where = relative(layout.root, file);
  if (!hostNamePattern.test(host)) {
    const message = `"${host}" is no host name; allowed: a small letter, then up to 62 of a-z, 0-9 and "-"`;
    return { problems: [{ where, setting: "(the stack's name)", message }] };
  }
  if (!existsSync(file)) {
    const message = `there is no such file. Make it: clawdlets init --host ${host}`;
    return { problems: [{ where, setting: "(the whole file)", message }] };
  }
  const document = parseDocument(readFileSync(file, "utf8"));
  const broken = document.errors[0];
  if (broken) return { problems: [{ where, setting: "(the whole file)", message: `not YAML: ${broken.message}` }] };
  return checkStackConfig(configOf(document), where);
}

function configOf(document: Document): Record<string, unknown> {
  const content: unknown = document.toJS();
  const config = typeof content === "object" && content !== null && "config" in content ? content.config : {};
  const entries = typeof config === "object" && config !== null ? Object.entries(config) : [];
  const prefix = `${configNamespace}:`;
  return Object.fromEntries(
    entries.filter(([key]) => key.startsWith(prefix)).map(([key, value]) => [key.slice(prefix.length), value]),
  );
}

/**
 * Adds public facts to a stack file and keeps everything else in it: other settings, comments, the engine's salt.
 * A value that already stands there stays, unless `overwrite` names its key.
 */
export async function addToStackFile(
  layout: Layout,
  host: string,
  facts: Partial<Record<keyof StackConfig, unknown>>,
  overwrite: readonly (keyof StackConfig)[] = [],
): Promise<string[]> {
  const file = hostLayoutOf(layout, host).stackFile;
  const document = parseDocument(existsSync(file) ? readFileSync(file, "utf8") : heading(host));
  const changed: string[] = [];
  for (const [key, value] of Object.entries(facts)) {
    const path = ["config", `${configNamespace}:${key}`];
    const replace = overwrite.some((each) => each === key);
    if (value === undefined || (document.hasIn(path) && !replace)) continue;
    if (JSON.stringify(document.getIn(path)) === JSON.stringify(value)) continue;
    document.setIn(path, document.createNode(value));
    changed.push(key);
  }
  if (changed.length > 0) await writeFileAtomic(file, document.toString({ lineWidth: 0 }));
  return changed;
}

const heading = (host: string) => `# Settings of the host ${host}. Committed and public: nothing secret belongs here.
# Every setting, its default and what it may be: docs/settings.md

`;
