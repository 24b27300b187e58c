import { distance } from "fastest-levenshtein";

/** " (did you mean x?)" for a key that nearly is one of `known`, otherwise nothing. */
export function didYouMean(key: string, known: readonly string[]): string {
  const ranked = known.map((name) => ({ name, steps: distance(key.toLowerCase(), name.toLowerCase()) }));
  const best = ranked.sort((a, b) => a.steps - b.steps)[0];
  return best && best.steps <= Math.max(2, Math.floor(key.length / 3)) ? ` (did you mean "${best.name}"?)` : "";
}
