import { parseArgs } from "node:util";
import { type MachineKind, machineKinds } from "./_machine-kinds.ts";

export const usage = `Usage: npm run crash-matrix -- [options]

Disturbs the life of an emulated host, runs the command once more, and checks that everything is as requested.

  --results FILE   keep each result in FILE, and continue where a run with the same file stopped
  --only PATTERN   only cases whose name, such as "create: kill engine: at formatting", matches this regular expression
  --every N        only each N-th case (default 1)
  --from K         ... starting with the K-th (default 0)
  --minutes N      start no case after N minutes
  --labs N         hosts at a time (default 2)
  --machine KIND   the server: x86, arm, or ipv6, which has no IPv4 address (default x86)
  --json           list each result beside the figures

Example: npm run crash-matrix -- --results results.jsonl --only "^reinstall: kill" --every 5

Exit codes: 0 all converged, 1 something did not or the run was stopped, 2 an option is not valid.
`;

export interface Options {
  help: boolean;
  json: boolean;
  pattern: RegExp;
  every: number;
  from: number;
  minutes: number;
  labs: number;
  machine: MachineKind;
  results?: string;
}

/** @returns the options, or what is wrong with them. An unusable number would choose no case, and a run without cases fails nothing. */
export function optionsOf(args: string[]): Options | { wrong: string } {
  try {
    const { values } = parseArgs({
      args,
      options: {
        help: { type: "boolean", short: "h", default: false },
        json: { type: "boolean", default: false },
        only: { type: "string", default: "" },
        every: { type: "string", default: "1" },
        from: { type: "string", default: "0" },
        minutes: { type: "string", default: "" },
        labs: { type: "string", default: "2" },
        machine: { type: "string", default: "x86" },
        results: { type: "string" },
      },
    });
    const { help, json, only, results } = values;
    const number = (name: "every" | "from" | "minutes" | "labs", least: number) => {
      if (/^\d+$/.test(values[name]) && Number(values[name]) >= least) return Number(values[name]);
      throw new Error(`--${name}: is ${JSON.stringify(values[name])}. Allowed: a whole number of at least ${least}`);
    };
    const machine = machineKinds.find((each) => each === values.machine);
    if (!machine) {
      throw new Error(`--machine: is ${JSON.stringify(values.machine)}. Allowed: ${machineKinds.join(", ")}`);
    }
    return {
      help,
      json,
      pattern: new RegExp(only),
      every: number("every", 1),
      from: number("from", 0),
      minutes: values.minutes === "" ? Infinity : number("minutes", 1),
      labs: number("labs", 1),
      machine,
      ...(results !== undefined && { results }),
    };
  } catch (error) {
    return { wrong: (error as Error).message };
  }
}
