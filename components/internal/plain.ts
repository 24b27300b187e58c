import * as pulumi from "@pulumi/pulumi";

/** Whether a value is known now, all the way down: no Output and no Promise in it. Then it is checked at once, with a stack. */
export function isPlain(value: unknown): boolean {
  if (pulumi.Output.isInstance(value) || value instanceof Promise) return false;
  if (Array.isArray(value)) return value.every(isPlain);
  return typeof value !== "object" || value === null || Object.values(value).every(isPlain);
}
