import { distance } from "fastest-levenshtein";

/** ` (did you mean "x"?)` if the key is close to one of `known`, otherwise an empty string. */
export function didYouMean(key: string, known: readonly string[]): string {
  const ranked = known.map((name) => ({ name, steps: distance(key.toLowerCase(), name.toLowerCase()) }));
  const best = ranked.sort((a, b) => a.steps - b.steps)[0];
  return best && best.steps <= Math.max(2, Math.floor(key.length / 3)) ? ` (did you mean "${best.name}"?)` : "";
}
