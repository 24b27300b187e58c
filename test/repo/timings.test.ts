import { execa } from "execa";
import { expect, it } from "vitest";
import { processorSeconds } from "../_processor-time.ts";

/** A fifth of a second of a processor, mostly outside the kernel. */
const busy =
  "const end = process.cpuUsage().user + 200_000; while (process.cpuUsage().user < end) for (let i = 0; i < 1e6; i++);";

it.runIf(process.platform === "linux")(
  "the processor time of a test file counts the programs that it ran",
  async () => {
    const before = processorSeconds() ?? Number.NaN;
    // A child of a child: most programs are started by another one.
    await execa("sh", ["-c", '"$0" -e "$1"; true', process.execPath, busy]);
    expect((processorSeconds() ?? Number.NaN) - before).toBeGreaterThan(0.15);
  },
  60_000,
);
