/**
 * A line of progress with the time it may take: `waiting for ssh (limit 5 min)`. Progress of the commands that the engine runs
 * arrives as text, so the limit travels in it. @see readLimit
 */
export function withLimit(text: string, seconds: number | undefined): string {
  if (seconds === undefined) return text;
  return `${text} (limit ${seconds >= 60 && seconds % 60 === 0 ? `${seconds / 60} min` : `${Math.round(seconds)} s`})`;
}

/** Takes the limit off a line of {@link withLimit}. */
export function readLimit(line: string): { text: string; limitSeconds?: number } {
  const [, text, count, unit] = /^([\s\S]*) \(limit (\d{1,6}) (s|min)\)$/.exec(line) ?? [];
  if (text === undefined) return { text: line };
  return { text, limitSeconds: Number(count) * (unit === "min" ? 60 : 1) };
}
