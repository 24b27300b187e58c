import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bootstrapUserData } from "../../../core/host/install/user-data.ts";
import { newKeyPair } from "../../../emulator/machine/key-pair.ts";
import type { Engine, Tofu } from "../../../toolchain/index.ts";
import { type BenchEmulator, startBenchEmulator } from "../_emulator.ts";
import { type Figures, measure, median } from "../_measure.ts";
import {
  type Contestant,
  type ContestantName,
  ourContestant,
  type Step,
  steps,
  tofuContestant,
} from "./contestants.ts";
import type { Row } from "./record.ts";

interface Sample extends Figures {
  requests: number;
  stateBytes: number;
}

export interface Comparison {
  engine: Engine;
  tofu: Tofu;
  hosts: number;
  latencyMs: number;
  runs: number;
}

/**
 * The life of the same servers by both, in turn on the same emulator, so that a machine that gets busier is so for both; who is
 * first changes from run to run.
 */
export async function compare({ engine, tofu, hosts, latencyMs, runs }: Comparison): Promise<Row[]> {
  const samples = new Map<string, Sample[]>();
  const emulator = await startBenchEmulator(latencyMs);
  try {
    for (let run = 0; run < runs; run += 1) {
      const folder = mkdtempSync(join(tmpdir(), "clawdlets-bench-"));
      const place = { folder, endpoint: emulator.endpoint, token: emulator.token };
      const both = [ourContestant(engine, place), tofuContestant(tofu, place)];
      try {
        for (const contestant of run % 2 === 0 ? both : both.reverse()) {
          for (const [step, sample] of await life(contestant, hosts, emulator)) {
            const key = `${contestant.name}\0${step}`;
            samples.set(key, [...(samples.get(key) ?? []), sample]);
          }
        }
      } finally {
        rmSync(folder, { recursive: true, force: true });
      }
    }
  } finally {
    await emulator.close();
  }
  return [...samples].map(([key, all]) => {
    const [contestant, step] = key.split("\0");
    const done = { contestant: contestant as ContestantName, step: step as Step };
    return { hosts, latencyMs, ...done, runs: all.length, ...middle(all) };
  });
}

async function life(contestant: Contestant, hosts: number, emulator: BenchEmulator): Promise<[Step, Sample][]> {
  const variables = { hosts, ...someKeys(hosts), changed: "203.0.113.0/24" };
  await contestant.prepare(JSON.stringify(variables));
  const done: [Step, Sample][] = [];
  for (const step of steps) {
    if (step === "change") changeRule(contestant, variables);
    done.push([step, await oneStep(contestant, step, emulator)]);
  }
  return done;
}

async function oneStep(contestant: Contestant, step: Step, emulator: BenchEmulator): Promise<Sample> {
  const before = await emulator.requests();
  const [file, args] = contestant.command(step);
  const figures = await measure(file, args, { cwd: contestant.folder, env: contestant.env });
  return { ...figures, requests: (await emulator.requests()) - before, stateBytes: contestant.stateBytes() };
}

function middle(all: readonly Sample[]): Sample {
  const of = (key: keyof Sample) => median(all.map((sample) => sample[key]));
  return {
    seconds: of("seconds"),
    cpu: of("cpu"),
    peakMib: of("peakMib"),
    requests: of("requests"),
    stateBytes: of("stateBytes"),
  };
}

function changeRule({ folder }: Contestant, variables: object): void {
  writeFileSync(join(folder, "bench.auto.tfvars.json"), JSON.stringify({ ...variables, changed: "198.51.100.0/24" }));
}

/** A key for each host, as Hetzner takes none twice, and the user_data that a host of ours is created with. */
function someKeys(hosts: number): { public_keys: string[]; user_data: string } {
  const pairs = Array.from({ length: hosts }, () => newKeyPair());
  const { private: hostPrivateKey, public: hostPublicKey } = newKeyPair();
  const clientPublicKey = pairs[0]?.public ?? "";
  return {
    public_keys: pairs.map((pair) => pair.public),
    user_data: bootstrapUserData({ hostPrivateKey, hostPublicKey, clientPublicKey }),
  };
}
