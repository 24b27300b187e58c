import { InvalidArgumentError } from "commander";
import { leavesWhenStopped } from "../shared/ending.ts";

export const hostExample = "--host web-1";

/** How long a command waits for its end; what it began goes on. */
export const limitOption = ["--limit <minutes>", "minutes to wait for the end, 1 to 600", minutes, 60] as const;

function minutes(value: string): number {
  if (/^[1-9][0-9]{0,2}$/.test(value) && Number(value) <= 600) return Number(value);
  throw new InvalidArgumentError("1 to 600");
}

/** A host ends what it has begun, even if nobody waits for it. @param work e.g. `backing up` */
export function goesOnWhenStopped(host: string, work: string): void {
  leavesWhenStopped(`${host} may be ${work} now. See how it ended: clawdlets backup list --host ${host}`);
}
