import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { arch, cpus, loadavg, totalmem } from "node:os";
import { join, resolve } from "node:path";
import { z } from "zod";
import { parseJson } from "../../../core/base/text/json.ts";
import { contestantNames, steps } from "./contestants.ts";

const row = z.object({
  hosts: z.number().int().positive(),
  latencyMs: z.number().nonnegative(),
  contestant: z.enum([contestantNames.ours, contestantNames.tofu]),
  step: z.enum(steps),
  seconds: z.number(),
  cpu: z.number(),
  peakMib: z.number(),
  requests: z.number(),
  stateBytes: z.number(),
  runs: z.number().int().positive(),
});

const record = z.object({
  /** Day of the measurement, and the commit that was measured. */
  date: z.iso.date(),
  commit: z.string(),
  machine: z.object({ processor: z.string(), cores: z.number(), memoryGiB: z.number(), architecture: z.string() }),
  versions: z.record(z.string(), z.string()),
  /** Load average of the last minute before the first run. */
  load: z.number(),
  /** Was the machine at rest? If not, only requests and bytes can be trusted, and ratios roughly. */
  atRest: z.boolean(),
  rows: z.array(row),
});

/** A measurement, as it is kept in test/bench/results/opentofu.json. */
export type BenchRecord = z.output<typeof record>;
export type Row = z.output<typeof row>;

/** Above this load average, times say more about the other programs of the machine than about ours. */
export const highestLoad = 1.5;

export const isAtRest = (load: number) => load <= highestLoad;

/** @throws if the file does not hold a measurement */
export function readRecord(file: string): BenchRecord {
  return record.parse(parseJson(readFileSync(file, "utf8")));
}

/** What a measurement has to say about the machine, asked before the first run. */
export function circumstances(versions: Record<string, string>): Omit<BenchRecord, "rows"> {
  const [load = Number.POSITIVE_INFINITY] = loadavg();
  const repository = resolve(import.meta.dirname, "../../..");
  const manifest = parseJson(readFileSync(join(repository, "package.json"), "utf8")) as {
    dependencies: Record<string, string>;
    devDependencies: Record<string, string>;
  };
  const pinned = { ...manifest.dependencies, ...manifest.devDependencies };
  return {
    date: new Date().toISOString().slice(0, 10),
    commit: execFileSync("git", ["describe", "--always", "--dirty"], { cwd: repository, encoding: "utf8" }).trim(),
    machine: {
      processor: cpus()[0]?.model ?? "unknown",
      cores: cpus().length,
      memoryGiB: Math.round(totalmem() / 2 ** 30),
      architecture: arch(),
    },
    versions: {
      node: process.versions.node,
      "@pulumi/pulumi": pinned["@pulumi/pulumi"] ?? "unknown",
      "@pulumi/hcloud": pinned["@pulumi/hcloud"] ?? "unknown",
      ...versions,
    },
    load: Math.round(load * 100) / 100,
    atRest: isAtRest(load),
  };
}
