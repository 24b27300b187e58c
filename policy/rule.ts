import type { z } from "zod";

/** A resource as the engine is about to make it: after every transform, alias and default. */
export interface PlannedResource {
  urn: string;
  /** e.g. `hcloud:index/server:Server` */
  type: string;
  name: string;
  /** Values known only after an update are {@link unknown}. Secrets are in plain text: never put one into a message. */
  props: Readonly<Record<string, unknown>>;
  protect: boolean;
  ignoreChanges: readonly string[];
  /** URNs that each property depends on; only when the whole stack is checked. */
  dependencies: Readonly<Record<string, readonly string[]>>;
}

/** Stands for a value that a preview cannot know. */
export const unknown: unique symbol = Symbol("known after the update");

/** The stack the resources belong to. */
export interface StackFacts {
  name: string;
  project: string;
  /** Every setting, keys with namespace. */
  config: Readonly<Record<string, string>>;
  /** Settings in plain text in the stack file, keys with namespace, each as text; undefined if the file was not found. */
  clear?: Readonly<Record<string, string>> | undefined;
  /** Keys of settings that are encrypted in the stack file; undefined if the engine did not say which. */
  secretKeys?: readonly string[] | undefined;
}

/** One violation of a rule. */
export interface Finding {
  /** The resource; undefined for the stack. */
  urn?: string;
  /** What is wrong, with the value, as one sentence. Without secrets. */
  message: string;
}

export type Severity = "low" | "medium" | "high" | "critical";

/** One check. A pure function of the plan: no clock, no environment, no requests. */
export interface Rule<Shape extends z.ZodObject = z.ZodObject> {
  /** Stable: used in settings and reports. */
  name: string;
  severity: Severity;
  /** What holds if the rule finds nothing. */
  description: string;
  /** Why it matters, with its evidence. */
  reason: string;
  /** What to do. */
  fix: string;
  /** Settings that a team can change; every one has a default. */
  settings: Shape;
  /** `resource`: before each resource is created, with only that one. `stack`: once, with all of them. */
  scope: "resource" | "stack";
  check: (resources: readonly PlannedResource[], settings: z.output<Shape>, stack: StackFacts) => Finding[];
}

/** Hides the settings' type inside one rule, so that rules with different settings fit in one list. */
export function rule<Shape extends z.ZodObject>(definition: Rule<Shape>): Rule {
  return definition as unknown as Rule;
}

/** The value if it is a string; undefined if it is unknown or something else. */
export const textOf = (value: unknown): string | undefined => (typeof value === "string" ? value : undefined);

export const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);

export function recordOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? { ...value } : {};
}

/** Every string in a value, at any depth, with its path. */
export function textsIn(value: unknown, path = ""): { path: string; text: string }[] {
  if (typeof value === "string") return [{ path, text: value }];
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, each]) => [
    ...(Array.isArray(value) ? [] : [{ path: `${path}.${key}`.replace(/^\./, ""), text: key }]),
    ...textsIn(each, `${path}.${key}`.replace(/^\./, "")),
  ]);
}
