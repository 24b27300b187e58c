import type { z } from "zod";
import { didYouMean } from "./nearest.ts";
import type { Objection, Problem } from "./problem.ts";
import { quoted, safeText } from "./wording.ts";

/** How the issues of one schema are worded. */
export interface Wording {
  /** The file that was read, relative to the project. */
  where: string;
  /** Prefix of every setting, e.g. `clawdlets:`. */
  prefix?: string;
  /** Every key the schema knows, for suggestions. */
  known: readonly string[];
}

/** Converts Zod issues to problems. Anything that looks like a token is hidden, although none belongs in these files. */
export function problemsOf(error: z.ZodError, input: unknown, wording: Wording): Problem[] {
  const prefix = wording.prefix ?? "";
  const problem = (path: readonly PropertyKey[], { code, problem, fix }: Objection): Problem => ({
    code,
    subject: wording.where,
    ...(path.length > 0 && { setting: settingOf(path, prefix) }),
    problem: safeText(problem),
    ...(fix !== undefined && { fix }),
  });
  return error.issues.flatMap((issue): Problem[] => {
    if (issue.code === "unrecognized_keys") {
      return issue.keys.map((key) => {
        const unknown = `unknown setting${didYouMean(key, wording.known)}.`;
        const fix = "Remove it or fix its name.";
        return problem([...issue.path, key], { code: "unknown-setting", problem: unknown, fix });
      });
    }
    if (issue.code === "invalid_key" || issue.code === "invalid_element") {
      const wrong = issue.issues.map((each) => each.message).join("; ");
      return [problem(issue.path, { code: "invalid-value", problem: `${wrong}.` })];
    }
    const value = valueAt(input, issue.path);
    return [
      value === undefined
        ? problem(issue.path, { code: "missing-setting", problem: `missing; ${issue.message}.` })
        : problem(issue.path, { code: "invalid-value", problem: `${wrongWith(value, issue)}.` }),
    ];
  });
}

/** What is wrong with a value. An issue with `params.isPredicate`, such as "opens TCP/22", says it without the value. */
function wrongWith(value: unknown, issue: z.core.$ZodIssue): string {
  const isPredicate = issue.code === "custom" && issue.params?.["isPredicate"] === true;
  return isPredicate ? issue.message : `is ${quoted(value)}; ${issue.message}`;
}

/** `hosts.web-1.flakeHost`: the path of a setting, with unusual keys kept as typed. */
export function settingOf(path: readonly PropertyKey[], prefix = ""): string {
  return prefix + safeText(path.map((key) => (key === "" ? '""' : String(key))).join("."), 200);
}

function valueAt(input: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>(
    (value, key) => (typeof value === "object" && value !== null ? Reflect.get(value, key) : undefined),
    input,
  );
}
