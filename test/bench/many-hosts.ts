/**
 * `node --import ./bin/typescript.mjs test/bench/many-hosts.ts [--hosts 100] [--parallel 4] [--rate-limit 3600] [--refused 0.03] [--left N]`: creates many
 * emulated hosts by one command while Hetzner answers 429 now and then and refuses one server for good; a second run finishes
 * the rest. `--left` uses up the limit first, but for so many requests. Takes nine to fourteen seconds a host on two cores. Exits 1 unless every host ended installed once and locked, no
 * request was sent beyond the limit, and the failure was named.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { ManyHosts } from "../_many-hosts.ts";
import { PeakMemory } from "./_peak-memory.ts";

const { values } = parseArgs({
  options: {
    hosts: { type: "string", default: "100" },
    parallel: { type: "string", default: "4" },
    "rate-limit": { type: "string", default: "3600" },
    refused: { type: "string", default: "0.03" },
    left: { type: "string" },
  },
});
const count = Number(values.hosts);
const hosts = Array.from({ length: count }, (_, index) => `web-${String(index + 1).padStart(3, "0")}`);
const tell = (text: string) => process.stderr.write(`${text}\n`);
// A firewall a host and one for each open window: past Hetzner's 50 a project has to have had its limit raised.
const firewallLimit = Math.max(50, count + 2 * Number(values.parallel));
const lab = await ManyHosts.open(hosts, { rateLimit: Number(values["rate-limit"]), firewallLimit });

const tooMany = { status: 429, code: "rate_limit_exceeded", message: "limit of requests per hour reached" };
const noServer = { status: 403, code: "resource_limit_exceeded", message: "server limit exceeded" };
const faults = [
  { match: { probability: Number(values.refused), seed: 7 }, fault: { respond: tooMany } },
  { match: { method: "POST", path: "/servers", nth: Math.ceil(count / 2) }, fault: { respond: noServer } },
];

/** Answers with 429 that nobody had asked the emulator for: requests beyond the limit. */
function beyondLimit(): number {
  const lines = readFileSync(join(lab.emulator.dataDir, "requests.jsonl"), "utf8").trim().split("\n");
  const refused = lines.filter((line) => (JSON.parse(line) as { status: number }).status === 429).length;
  return refused - (lab.emulator.report().faultHits[0] ?? 0);
}

interface HostResult {
  host: string;
  state: string;
  summary: string;
  details?: string[];
}

async function run(args: string[]) {
  const startedAt = Date.now();
  const child = lab.run([...args, "--parallel", values.parallel, "--keep-going", "--json"], { maxBuffer: 1e9 });
  child.stderr?.pipe(process.stderr);
  const memory = new PeakMemory(child.pid ?? 0);
  const { stdout, exitCode } = await child;
  memory.stop();
  const { hosts: found } = JSON.parse(String(stdout)) as { hosts: HostResult[] };
  const failed = found
    .filter(({ state }) => state !== "ok")
    .map(({ host, summary, details = [] }) => `${host}: ${summary}: ${details.join(" ").slice(0, 200)}`);
  const seconds = Math.round((Date.now() - startedAt) / 1000);
  return { exitCode, hosts: found.length, failed, seconds, peakMiB: memory.peakMiB };
}

/** As other programs of the same project would. */
async function useUp(left: number): Promise<void> {
  const headers = { authorization: `Bearer ${lab.emulator.token}` };
  for (let now = Number.POSITIVE_INFINITY; now > left; ) {
    const asking = Array.from({ length: Math.min(50, now - left) }, () =>
      fetch(`${lab.emulator.endpoint}/locations`, { headers }),
    );
    const answers = await Promise.all(asking);
    now = Math.min(...answers.map((answer) => Number(answer.headers.get("RateLimit-Remaining"))));
    await Promise.all(answers.map((answer) => answer.arrayBuffer()));
  }
  await lab.control("reset-counters");
}

if (values.left !== undefined) await useUp(Number(values.left));
await lab.control("faults", faults);
const first = await run(["up", "--all"]);
const requests = lab.requests;
const { polls } = lab.emulator.report();
const second = await run(["up", "--resume"]);
const injected = lab.emulator.report().faultHits;
const beyond = beyondLimit();
await lab.control("faults", []);
const verified = await run(["verify", "--all"]);
const installed = Object.values(lab.installed);
const result = {
  hosts: count,
  parallel: Number(values.parallel),
  requestLimit: Number(values["rate-limit"]),
  first: { ...first, requests, requestsPerHost: requests / count, polls },
  second,
  injected429: injected[0],
  beyondLimit: beyond,
  installedOnce: installed.filter((runs) => runs === 1).length,
  locked: verified.hosts - verified.failed.length,
};
const ok =
  result.installedOnce === count &&
  result.locked === count &&
  beyond <= 0 &&
  first.failed.length > 0 &&
  second.exitCode === 0;
process.stdout.write(`${JSON.stringify({ ok, ...result })}\n`);
tell(ok ? "all hosts installed once and locked, none beyond the limit" : "NOT as it has to be");
await lab.close();
process.exit(ok ? 0 : 1);
