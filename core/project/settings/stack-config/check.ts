import { z } from "zod";
import type { Problem } from "../../../base/problem.ts";
import { problemsOf } from "../../../base/problems.ts";
import { architectureProblems } from "../server/architecture.ts";
import { ipv6OnlyProblems } from "../server/ipv6-only.ts";
import { parseJson } from "./fields.ts";
import { deadlines, installSettings } from "./install.ts";
import { rebuildSettings } from "./rebuild.ts";
import { configNamespace, type StackConfig, stackConfig } from "./stack-config.ts";
import { tailnetProblems } from "./tailnet-problems.ts";

/**
 * Checks the settings of one stack.
 * @param raw keys without namespace; values as the engine passes them (text, lists as JSON text) or as in the file
 * @param where the file's name, for messages
 */
export function checkStackConfig(
  raw: Readonly<Record<string, unknown>>,
  where: string,
): { value?: StackConfig; problems: Problem[] } {
  const checked = checkSettings(stackConfig, raw, where);
  if (!checked.value) return { problems: checked.problems };
  const { value } = checked;
  const problems = [
    ...tailnetProblems(value, where),
    ...ipv6OnlyProblems(value, where),
    ...architectureProblems(value, where),
    ...repeatedType(value, where),
    ...snapshotProblems(value, where),
  ];
  return problems.length > 0 ? { problems } : { value, problems };
}

/** Refused, not ignored: in any place but the first, the list says another order than the one in which types are tried. */
function repeatedType({ serverType, serverTypes }: StackConfig, where: string): Problem[] {
  const index = serverTypes.indexOf(serverType);
  if (index < 0) return [];
  return [
    {
      code: "invalid-value",
      subject: where,
      setting: `clawdlets:serverTypes.${index}`,
      problem: `is "${serverType}", which is serverType, and always tried first.`,
      fix: "Remove it. If another type is to be tried first, make that one serverType.",
    },
  ];
}

/** Without the id of a snapshot there is nothing to start from. */
function snapshotProblems({ image, install }: StackConfig, where: string): Problem[] {
  if (install.mode === "full" || /^[0-9]+$/.test(image)) return [];
  const problem = `is "snapshot", but clawdlets:image is "${image}", which is not the id of a snapshot.`;
  const fix = "Set clawdlets:image to the id of one. Make it: clawdlets image bake";
  return [{ code: "settings-disagree", subject: where, setting: "clawdlets:install.mode", problem, fix }];
}

/**
 * Checks some of the settings of one stack file, or all of them.
 * @param schema those settings, from {@link stackConfig}
 * @param raw as for {@link checkStackConfig}
 */
export function checkSettings<T extends z.ZodObject>(
  schema: T,
  raw: Readonly<Record<string, unknown>>,
  where: string,
): { value?: z.infer<T>; problems: Problem[] } {
  const parsed = schema.safeParse(raw);
  if (parsed.success) return { value: parsed.data, problems: [] };
  // Messages about JSON text refer to its parts, so parse it here too.
  const parts = Object.fromEntries(
    Object.entries(raw).map(([key, value]) => [
      key,
      typeof value === "string" && /^\s*[[{]/.test(value) ? parseJson(value) : value,
    ]),
  );
  const problems = parsed.error.issues.flatMap((issue) =>
    problemsOf(new z.ZodError([issue]), parts, { where, prefix: `${configNamespace}:`, known: knownAt(issue.path) }),
  );
  return { problems };
}

/** The keys of the object at a path, for suggestions. */
function knownAt([first, second]: readonly PropertyKey[]): string[] {
  if (first === "firewallRules") return ["protocol", "port", "sourceIps", "description"];
  if (first === "rebuild") return Object.keys(rebuildSettings.shape);
  if (first !== "install") return Object.keys(stackConfig.shape);
  return Object.keys(second === "deadlines" ? deadlines.shape : installSettings.shape);
}
