import { InvalidArgumentError } from "commander";

/** The deadline of a change, as an option. */
export function seconds(text: string): number {
  const value = /^[1-9][0-9]{1,3}$/.test(text) ? Number(text) : 0;
  if (value < 10 || value > 3600) throw new InvalidArgumentError("whole seconds, 10 to 3600");
  return value;
}

/** How long ago, as journalctl's `--since=-…` takes it. */
export function since(text: string): string {
  if (isShortTime(text)) return text;
  throw new InvalidArgumentError("a number and s, m, h or d, e.g. 5m");
}

/** A number and its unit: how long ago. */
export const isShortTime = (text: string): boolean => /^[1-9][0-9]{0,4}(s|m|h|d)$/.test(text);
