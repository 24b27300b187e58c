import type { z } from "zod";

/** A resource as the engine is about to make it: after every transform, alias and default. */
export interface PlannedResource {
  urn: string;
  /** e.g. `hcloud:index/server:Server` */
  type: string;
  name: string;
  /** What only an update will know is {@link unknown}. Secrets are in the clear: never put one into a message. */
  props: Readonly<Record<string, unknown>>;
  protect: boolean;
  ignoreChanges: readonly string[];
  /** URNs that each property was made of; only where the whole stack is judged. */
  madeOf: Readonly<Record<string, readonly string[]>>;
}

/** Stands for a value that a preview cannot know. */
export const unknown: unique symbol = Symbol("known after the update");

/** The stack the resources belong to. */
export interface StackFacts {
  name: string;
  project: string;
  /** Every setting, keys with namespace. */
  config: Readonly<Record<string, string>>;
  /** Settings that stand in the clear in the stack file, keys with namespace, each as text. Left out: the file was not found. */
  clear?: Readonly<Record<string, string>> | undefined;
  /** Keys of settings that are encrypted in the stack file. Left out: the engine did not say which. */
  secretKeys?: readonly string[] | undefined;
}

/** One thing that a rule objects to. */
export interface Finding {
  /** The resource; left out: the stack. */
  urn?: string;
  /** What is wrong, with the value, as one sentence. Without secrets. */
  message: string;
}

export type Severity = "low" | "medium" | "high" | "critical";

/** One check. A pure function of what is planned: no clock, no environment, no request. */
export interface Rule<Shape extends z.ZodObject = z.ZodObject> {
  /** Stable: settings and reports name it. */
  name: string;
  severity: Severity;
  /** What is promised where the rule finds nothing. */
  description: string;
  /** Why it matters, with its evidence. */
  reason: string;
  /** What to do. */
  mend: string;
  /** What a team may tune; every setting has a default. */
  settings: Shape;
  /** `resource`: before each resource is made, with that one alone. `stack`: once, with all of them. */
  scope: "resource" | "stack";
  check: (resources: readonly PlannedResource[], settings: z.output<Shape>, stack: StackFacts) => Finding[];
}

/** Keeps the settings' type inside one rule and lets rules of different settings stand in one list. */
export function rule<Shape extends z.ZodObject>(definition: Rule<Shape>): Rule {
  return definition as unknown as Rule;
}

export const types = {
  server: "hcloud:index/server:Server",
  firewall: "hcloud:index/firewall:Firewall",
  localCommand: "command:local:Command",
  remoteCommand: "command:remote:Command",
} as const;

/** Text, or nothing where it is unknown or something else. */
export const textOf = (value: unknown): string | undefined => (typeof value === "string" ? value : undefined);

export const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);

export function recordOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? { ...value } : {};
}

/** Every text in a value, however deep, with the path that leads to it. */
export function textsIn(value: unknown, path = ""): { path: string; text: string }[] {
  if (typeof value === "string") return [{ path, text: value }];
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, each]) => [
    ...(Array.isArray(value) ? [] : [{ path: `${path}.${key}`.replace(/^\./, ""), text: key }]),
    ...textsIn(each, `${path}.${key}`.replace(/^\./, "")),
  ]);
}
