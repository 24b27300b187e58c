// `npm run bench -- emulator`: what the emulator costs: start, memory with 100 servers, requests a second.
import { spawn } from "node:child_process";
import { readFile } from "node:fs/promises";
import { Agent, request } from "node:http";
import { routes } from "../../emulator/api/routes.ts";

const ENTRY = `
  import { emulatorCommand } from ${JSON.stringify(new URL("../../cli/internal/emulator.ts", import.meta.url).href)};
  await emulatorCommand.parseAsync(process.argv.slice(1), { from: "user" });
`;
const SERVERS = 100;
const REQUESTS = 5000;
const PARALLEL = 16;

interface Ready {
  endpoint: string;
  token: string;
  startMs: number;
  pid: number;
}

async function start(): Promise<{ ready: Ready; stop: () => void }> {
  const before = performance.now();
  const args = [
    "--import",
    "tsx",
    "--input-type=module",
    "-e",
    ENTRY,
    "--",
    "--action-ms",
    "0",
    "--boot-ms",
    "0",
    "--rate-limit",
    "1000000000",
  ];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
  const line = await new Promise<string>((resolve) =>
    child.stdout.once("data", (chunk: Buffer) => resolve(chunk.toString())),
  );
  const { endpoint, token } = JSON.parse(line) as { endpoint: string; token: string };
  return {
    ready: { endpoint, token, startMs: performance.now() - before, pid: child.pid ?? 0 },
    stop: () => child.kill("SIGTERM"),
  };
}

const agent = new Agent({ keepAlive: true, maxSockets: PARALLEL });

function ask({ endpoint, token }: Ready, method: string, path: string, body?: unknown): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const sent = request(
      `${endpoint}${path}`,
      { method, agent, headers: { authorization: `Bearer ${token}` } },
      (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.on("end", () => resolve(JSON.parse(Buffer.concat(chunks).toString() || "null")));
      },
    );
    sent.on("error", reject);
    sent.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

async function perSecond(ready: Ready, path: string): Promise<number> {
  const before = performance.now();
  let left = REQUESTS;
  await Promise.all(
    Array.from({ length: PARALLEL }, async () => {
      while (left-- > 0) await ask(ready, "GET", path);
    }),
  );
  return Math.round((REQUESTS * 1000) / (performance.now() - before));
}

async function rssMib(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, "utf8");
  return Math.round(Number(/VmRSS:\s+([0-9]+)/.exec(status)?.[1]) / 1024);
}

const { ready, stop } = await start();
const rssEmpty = await rssMib(ready.pid);
const { firewall } = (await ask(ready, "POST", "/firewalls", {
  name: "bench",
  rules: [{ direction: "in", protocol: "tcp", port: "22", source_ips: ["127.0.0.1/32"] }],
})) as { firewall: { id: number } };
const before = performance.now();
let last = 0;
for (let n = 0; n < SERVERS; n += 1) {
  const body = { name: `bench-${n}`, server_type: "cx23", image: "debian-12", firewalls: [{ firewall: firewall.id }] };
  last = ((await ask(ready, "POST", "/servers", body)) as { server: { id: number } }).server.id;
}
const createMs = (performance.now() - before) / SERVERS;
const rows: [string, string][] = [
  ["start, from nothing to ready", `${Math.round(ready.startMs)} ms`],
  ["memory, empty", `${rssEmpty} MiB`],
  [`memory, ${SERVERS} servers that answer ssh`, `${await rssMib(ready.pid)} MiB`],
  ["create a server", `${createMs.toFixed(1)} ms`],
  ["GET /servers/{id}", `${await perSecond(ready, `/servers/${last}`)} a second`],
  ["GET /servers?per_page=50", `${await perSecond(ready, "/servers?per_page=50")} a second`],
  ["memory afterwards", `${await rssMib(ready.pid)} MiB`],
  ["endpoints", String(routes.length)],
];
for (const [what, figure] of rows) process.stdout.write(`${what.padEnd(40)} ${figure}\n`);
stop();
agent.destroy();
