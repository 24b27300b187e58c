import { type Command, InvalidArgumentError, Option } from "commander";
import { plainOption } from "../screen/index.ts";

/** How a command is told which hosts, and how they are gone through. */
export interface FleetOptions {
  /** `web-1`, or several as `web-1,web-2`. */
  host?: string;
  all?: boolean;
  /** Hosts that have any of these, as `eu,canary`. */
  tag?: string;
  parallel?: number;
  failFast?: boolean;
  keepGoing?: boolean;
  canary?: string;
  resume?: boolean;
  plain?: boolean;
}

/** Four at once: `up` of a host takes about half a GiB at its peak and a core for seconds (docs/performance.md, docs/fleet.md). */
export const defaultParallel = 4;

/** Adds the options that every command over many hosts has. @param default what happens after a failure when neither is said */
export function addFleetOptions(command: Command, afterFailure: "fail-fast" | "keep-going", allText?: string): Command {
  const isDefault = (option: string) => (option === afterFailure ? " (default)" : "");
  return command
    .option("--host <names>", "the host, or several as A,B; optional if there is only one")
    .option("--all", allText ?? "every host that has a stack file")
    .option("--tag <tags>", "every host with one of these clawdlets:tags, as A,B")
    .option("--parallel <n>", `number of hosts at a time, 1 to 64 (default ${defaultParallel})`, parallelOf)
    .addOption(
      new Option("--fail-fast", `start no further host once one has failed${isDefault("fail-fast")}`).conflicts(
        "keepGoing",
      ),
    )
    .option("--keep-going", `continue with the other hosts when one has failed${isDefault("keep-going")}`)
    .option("--canary <name>", "do this host first and alone, and stop if it fails")
    .option("--resume", "continue the last run over many hosts, without those that succeeded")
    .option(...plainOption);
}

/** Options that are for many hosts alone, as they are typed. */
export function fleetOnly(options: FleetOptions): string[] {
  const names = { parallel: "--parallel", failFast: "--fail-fast", keepGoing: "--keep-going" } as const;
  const more = { canary: "--canary", tag: "--tag", resume: "--resume" } as const;
  return Object.entries({ ...names, ...more }).flatMap(([key, name]) =>
    options[key as keyof typeof names] === undefined ? [] : [name],
  );
}

function parallelOf(text: string): number {
  const value = Number(text);
  if (/^[0-9]{1,2}$/.test(text) && value >= 1 && value <= 64) return value;
  throw new InvalidArgumentError("a whole number from 1 to 64");
}
