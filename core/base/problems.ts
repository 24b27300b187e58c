import type { z } from "zod";
import type { Problem } from "./errors.ts";
import { didYouMean } from "./nearest.ts";
import { quoted, shown } from "./wording.ts";

/** How one schema's findings are put into words. */
export interface Wording {
  /** The file that was read, as a person would name it. */
  where: string;
  /** Prefix of every setting, e.g. `clawdlets:`. */
  prefix?: string;
  /** Every key the schema knows, for suggestions. */
  known: readonly string[];
}

/** Zod's issues as problems for a person. What looks like a token is not shown, though none belongs in these files. */
export function problemsOf(error: z.ZodError, input: unknown, wording: Wording): Problem[] {
  const prefix = wording.prefix ?? "";
  const problem = (path: readonly PropertyKey[], message: string): Problem => ({
    where: wording.where,
    setting: path.length === 0 ? "(the whole file)" : settingOf(path, prefix),
    message: shown(message),
  });
  return error.issues.flatMap((issue): Problem[] => {
    if (issue.code === "unrecognized_keys") {
      return issue.keys.map((key) => {
        const message = `unknown setting${didYouMean(key, wording.known)}. Remove it or mend its name.`;
        return problem([...issue.path, key], message);
      });
    }
    if (issue.code === "invalid_key" || issue.code === "invalid_element") {
      return [problem(issue.path, `${issue.issues.map((each) => each.message).join("; ")}.`)];
    }
    const value = valueAt(input, issue.path);
    return [problem(issue.path, `${value === undefined ? "missing" : `is ${quoted(value)}`}; ${issue.message}.`)];
  });
}

/** `hosts.web-1.flakeHost`: keys as they are typed, however strange. */
export function settingOf(path: readonly PropertyKey[], prefix = ""): string {
  return prefix + shown(path.map((key) => (key === "" ? '""' : String(key))).join("."), 200);
}

function valueAt(input: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>(
    (value, key) => (typeof value === "object" && value !== null ? Reflect.get(value, key) : undefined),
    input,
  );
}
