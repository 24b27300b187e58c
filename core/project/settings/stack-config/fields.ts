import { z } from "zod";

/** A list, which the engine passes as JSON text. @param what its items, for the message */
export const publicList = <T extends z.ZodType>(item: T, what: string) =>
  z.preprocess(
    (value) => (typeof value === "string" ? parseJson(value) : value),
    z.array(item, `allowed: a list of ${what}`),
  );

/** For `superRefine` of a list: refuses every value that was there before, by its index. @param what one of its items, for the message */
export const eachOnce = (what: string) => (values: readonly unknown[], context: z.RefinementCtx) => {
  for (const [index, value] of values.entries()) {
    if (values.indexOf(value) === index) continue;
    context.addIssue({ code: "custom", message: `allowed: each ${what} once`, path: [index] });
  }
};

const countAllowed = "allowed: 0, 1, 2, …";

/**
 * The engine passes numbers as text. Only digits are accepted: Number() would turn `true` into 1, and that would wipe a
 * disk.
 */
export const count = z.preprocess(
  (value) => (typeof value === "string" && /^(0|[1-9][0-9]{0,8})$/.test(value) ? Number(value) : value),
  z.number(countAllowed).int(countAllowed).min(0, countAllowed),
);

/** The engine passes it as text. */
export const flag = z.preprocess(
  (value) => (value === "true" ? true : value === "false" ? false : value),
  z.boolean("allowed: true or false"),
);

/**
 * A whole number of minutes, seconds or days. The engine passes it as text, in which only digits are accepted.
 * @param allowed the message for every other value
 */
export function wholeNumber(min: number, max: number, allowed: string) {
  return z.preprocess(
    (value) => (typeof value === "string" && /^[1-9][0-9]{0,8}$/.test(value) ? Number(value) : value),
    z.number(allowed).int(allowed).min(min, allowed).max(max, allowed),
  );
}

/**
 * Ends up on a command line and in a script on the server: no user, password or query, which could be secret (or, in a
 * substituter, `?trusted=1`), and no characters that are special to a shell.
 */
export const plainHttpsUrl = String.raw`https:\/\/[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?(?::[0-9]{1,5})?`;
export const urlPath = String.raw`(?:\/[\w.~%+,=@:-]+)`;

/** A structured value is JSON text if it comes from the engine, and a list or object if it comes from the file. Other text is returned as it is. */
export function parseJson(value: string): unknown {
  try {
    return JSON.parse(value);
  } catch {
    return value;
  }
}
