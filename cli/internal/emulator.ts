import { Command, InvalidArgumentError } from "commander";
import { printable } from "../../core/base/wording.ts";
import { onFirstStopRequest } from "../../engine/signals.ts";
import { printJson } from "../shared/output.ts";

interface Options {
  port?: number;
  latencyMs: number;
  actionMs: number;
  bootMs: number;
  rateLimit: number;
  firewallLimit: number;
  data?: string;
  faults?: string;
  token?: string;
  envFile?: string;
}

/** `clawdlets emulator`: Hetzner Cloud on this machine, until it is told to stop. */
export const emulatorCommand = new Command("emulator")
  .addHelpText(
    "after",
    "\nExamples:\n  clawdlets emulator --data emulator --env-file .clawdlets/.env\n  clawdlets emulator --port 8080 --faults faults.json\n",
  )
  .option("--port <n>", "TCP port of the API on 127.0.0.1; the default is any free port", wholeNumber(0, 65_535))
  .option("--latency-ms <n>", "delay added to every response", wholeNumber(0, 60_000), 0)
  .option("--action-ms <n>", "duration of an action", wholeNumber(0, 600_000), 300)
  .option("--boot-ms <n>", "time from power-on to ssh", wholeNumber(0, 600_000), 300)
  .option("--rate-limit <n>", "requests per hour", wholeNumber(1, 1_000_000_000), 3600)
  .option("--firewall-limit <n>", "firewalls per project", wholeNumber(1, 100_000), 50)
  .option("--data <dir>", "store state, disks and the request log here, and continue from them")
  .option("--faults <file>", "JSON file with a list of faults to inject (emulator/README.md)")
  .option("--token <token>", "API token to accept, 64 characters of [A-Za-z0-9]; the default is a new one")
  .option(
    "--env-file <file>",
    "the .clawdlets/.env of a project to point at the emulator; refused if it holds a real token",
  )
  .action(run);

async function run({ envFile, ...options }: Options): Promise<void> {
  if (envFile !== undefined) (await import("../shared/emulator-env.ts")).refuseRealAccount(envFile);
  const { EmulatorOptionError, startEmulator } = await import("../../emulator/index.ts");
  try {
    const emulator = await startEmulator(options);
    const { endpoint, token, sshPort } = emulator;
    if (envFile !== undefined) await (await import("../shared/emulator-env.ts")).pointAt(envFile, emulator);
    printJson({ endpoint, token, sshPort });
    await askedToStop();
    const { unknownEndpoints } = emulator.report();
    await emulator.close();
    if (unknownEndpoints.length > 0) {
      process.stderr.write(
        `asked for, but not emulated:\n${unknownEndpoints.map((line) => `  ${printable(line)}\n`).join("")}`,
      );
    }
    process.exit(0);
  } catch (error) {
    if (!(error instanceof EmulatorOptionError)) throw error;
    process.stderr.write(`${printable(error.message)}\n`);
    process.exit(1);
  }
}

function askedToStop(): Promise<void> {
  return new Promise((resolve) => {
    onFirstStopRequest(resolve);
  });
}

function wholeNumber(from: number, to: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (/^[0-9]+$/.test(text) && value >= from && value <= to) return value;
    throw new InvalidArgumentError(`a whole number from ${from} to ${to}`);
  };
}
