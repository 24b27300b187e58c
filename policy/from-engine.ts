import type { PolicyResource, ResourceValidationArgs } from "@pulumi/policy";
import { type PlannedResource, unknown } from "./rule.ts";

/** A resource as passed to `validateResource`. */
export function plannedOf({ urn, type, name, props, opts }: ResourceValidationArgs): PlannedResource {
  return {
    urn,
    type,
    name,
    props: plain(props),
    protect: opts.protect,
    ignoreChanges: opts.ignoreChanges,
    dependencies: {},
  };
}

/** A resource as passed to `validateStack`. */
export function plannedInStack({
  urn,
  type,
  name,
  props,
  opts,
  propertyDependencies,
}: PolicyResource): PlannedResource {
  const dependencies = Object.entries(propertyDependencies ?? {}).map(([key, made]) => [
    key,
    made.map((each) => each.urn),
  ]);
  return {
    urn,
    type,
    name,
    props: plain(props),
    protect: opts.protect,
    ignoreChanges: opts.ignoreChanges,
    dependencies: Object.fromEntries(dependencies),
  };
}

const plain = (props: unknown) => known(props) as Record<string, unknown>;

/**
 * A copy with {@link unknown} where the SDK's proxy throws. Otherwise the first unknown value that a rule reads would end the rule
 * with only an advisory message, and it would miss everything after it.
 */
function known(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return Array.from({ length: value.length }, (_, index) => at(value, index));
  return Object.fromEntries(Object.keys(value).map((key) => [key, at(value, key)]));
}

function at(holder: object, key: PropertyKey): unknown {
  let value: unknown;
  try {
    value = Reflect.get(holder, key);
  } catch (error) {
    if (error instanceof Error && /can't be known during preview$/.test(error.message)) return unknown;
    throw error;
  }
  return known(value);
}
