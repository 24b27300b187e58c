import { once } from "node:events";
import { createInterface } from "node:readline";
import { execa } from "execa";
import type { Report } from "../../emulator/index.ts";

/** An emulator in a process of its own, so that what it costs is nobody's. */
export interface BenchEmulator {
  endpoint: string;
  token: string;
  /** Answered so far. */
  requests: () => Promise<number>;
  close: () => Promise<void>;
}

/** Actions take 300 ms, as the demo's. The hourly limit is out of the way: what it would do is another matter than speed. */
export async function startBenchEmulator(latencyMs: number): Promise<BenchEmulator> {
  const args = ["bin/clawdlets.mjs", "emulator", "--latency-ms", String(latencyMs), "--rate-limit", "1000000000"];
  const running = execa(process.execPath, args, { stdin: "ignore", stderr: "inherit", reject: false, buffer: false });
  const lines = createInterface({ input: running.stdout });
  const [line] = await Promise.race([once(lines, "line"), running.then(() => [undefined])]);
  if (line === undefined) throw new Error("the emulator ended before it was ready");
  const { endpoint, token } = JSON.parse(line) as { endpoint: string; token: string };
  return {
    endpoint,
    token,
    async requests() {
      const answer = await fetch(new URL("/_emulator/report", endpoint), {
        headers: { authorization: `Bearer ${token}` },
      });
      const { requests } = (await answer.json()) as Report;
      return Object.values(requests).reduce((sum, count) => sum + count, 0);
    },
    async close() {
      running.kill("SIGTERM");
      await running;
    },
  };
}
