import { resourceTypes } from "../../../core/base/hetzner/resource-types.ts";
import { hasUnknown, type Step } from "./plan.ts";

/** The draw of a server's property, by the end of its name (components/internal/place.ts). */
const draws = { location: "location", serverType: "type" } as const;

/** The candidates of a server's location or type, if `up` draws it. @returns undefined if the value is known, or is not drawn */
export function candidatesOf(
  { name, type, after }: Step,
  property: keyof typeof draws,
  steps: readonly Step[],
): string[] | undefined {
  if (type !== resourceTypes.server || !hasUnknown(after?.[property])) return undefined;
  const wanted = `${name.replace(/-server$/, "")}-${draws[property]}`;
  const shuffle = steps.find((each) => each.type === resourceTypes.shuffle && each.name === wanted);
  const inputs = shuffle?.after?.["inputs"];
  if (!Array.isArray(inputs)) return undefined;
  const candidates = inputs.filter((each): each is string => typeof each === "string" && !hasUnknown(each));
  return candidates.length > 0 ? candidates : undefined;
}

/** `one of nbg1, fsn1` */
export const inWords = (candidates: readonly string[]): string =>
  candidates.length === 1 ? (candidates[0] ?? "") : `one of ${candidates.join(", ")}`;

/** A step with the first candidate wherever `up` would draw one. */
export function withFirstDrawn(step: Step, steps: readonly Step[]): Step {
  if (step.type === resourceTypes.shuffle && hasUnknown(step.outputs["results"] ?? [])) {
    const inputs = step.after?.["inputs"];
    return { ...step, outputs: { ...step.outputs, results: Array.isArray(inputs) ? inputs.slice(0, 1) : [] } };
  }
  const drawn = (Object.keys(draws) as (keyof typeof draws)[]).flatMap((property) => {
    const [first] = candidatesOf(step, property, steps) ?? [];
    return first === undefined ? [] : [[property, first] as const];
  });
  return drawn.length === 0 ? step : { ...step, after: { ...step.after, ...Object.fromEntries(drawn) } };
}
