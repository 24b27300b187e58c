import * as pulumi from "@pulumi/pulumi";

/** Whether a value is fully known now: no Output and no Promise in it. Then it is checked synchronously, with a stack trace. */
export function isPlain(value: unknown): boolean {
  if (pulumi.Output.isInstance(value) || value instanceof Promise) return false;
  if (Array.isArray(value)) return value.every(isPlain);
  return typeof value !== "object" || value === null || Object.values(value).every(isPlain);
}
