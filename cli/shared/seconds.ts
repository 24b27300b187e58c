import { InvalidArgumentError } from "commander";

/** The deadline of a change, as an option. */
export function seconds(text: string): number {
  const value = /^[1-9][0-9]{1,3}$/.test(text) ? Number(text) : 0;
  if (value < 10 || value > 3600) throw new InvalidArgumentError("Expected whole seconds, 10 to 3600.");
  return value;
}
