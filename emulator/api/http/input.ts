import { z } from "zod";
import { areLabelsValid } from "../../cloud/labels.ts";
import { ApiError, invalidInput } from "./errors.ts";
import type { Call } from "./router.ts";

/** Reads the body by a schema. Unknown fields are ignored, as the real API does. */
export function readBody<T extends z.ZodType>(call: Call, schema: T): z.output<T> {
  const result = schema.safeParse(call.body ?? {});
  if (result.success) return result.data;
  const fields: Record<string, string> = {};
  for (const issue of result.error.issues) {
    const name = issue.path.join(".") || "body";
    fields[name] ??= issue.message;
  }
  throw invalidInput(fields);
}

/** The id in the path. Anything that is not a number matches no resource: 404, not 422. */
export function pathId(call: Call, name = "id"): number {
  const text = call.params[name] ?? "";
  if (!/^[0-9]{1,15}$/.test(text)) throw new ApiError(404, "not_found", `no resource with ID '${text}'`);
  return Number(text);
}

export const labels = z
  .record(z.string(), z.string())
  .refine(areLabelsValid, { message: "labels must follow the syntax of Kubernetes labels" });

/** What is given by id or by name; both arrive as text or as a number, depending on the client. */
export const idOrName = z.union([z.string(), z.number().int()]).transform(String);

export const id = z.number().int().positive();

export const name = z.string().min(1, "must not be empty").max(128, "must not be longer than 128 characters");
