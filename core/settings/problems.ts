import type { z } from "zod";
import type { Problem } from "../errors.ts";
import { didYouMean } from "./nearest.ts";

/** How one schema's findings are put into words. */
export interface Wording {
  /** The file that was read, as a person would name it. */
  where: string;
  /** Prefix of every setting, e.g. `clawdlets:`. */
  prefix?: string;
  /** Every key the schema knows, for suggestions. */
  known: readonly string[];
}

/** Zod's issues as problems for a person; secret values are not quoted because no secret goes through these schemas. */
export function problemsOf(error: z.ZodError, input: unknown, wording: Wording): Problem[] {
  const prefix = wording.prefix ?? "";
  return error.issues.flatMap((issue): Problem[] => {
    const setting = prefix + issue.path.map(String).join(".");
    if (issue.code === "unrecognized_keys") {
      return issue.keys.map((key) => ({
        where: wording.where,
        setting: prefix + [...issue.path.map(String), key].join("."),
        message: `unknown setting${didYouMean(key, wording.known)}. Remove it or mend its name.`,
      }));
    }
    if (issue.code === "invalid_key" || issue.code === "invalid_element") {
      const inner = issue.issues.map((each) => each.message).join("; ");
      return [{ where: wording.where, setting, message: `${inner}.` }];
    }
    const value = valueAt(input, issue.path);
    const found = value === undefined ? "missing" : `is ${JSON.stringify(value)}`;
    return [{ where: wording.where, setting: setting || "(the whole file)", message: `${found}; ${issue.message}.` }];
  });
}

function valueAt(input: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>(
    (value, key) => (typeof value === "object" && value !== null ? Reflect.get(value, key) : undefined),
    input,
  );
}
