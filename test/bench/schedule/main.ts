/**
 * `npm run bench -- schedule [--hosts 200] [--projects 1] [--parallel 4,8,16,32,64] [--actions 5,30] [--install 240]
 * [--requests 3600] [--firewalls 1000] [--seed 1] [--json]`: how fast `up --all` creates hosts within Hetzner's limits, by the
 * fleet's own scheduler on a virtual clock. Takes a second; no server, no engine. docs/fleet.md explains the figures.
 */
import { parseArgs } from "node:util";
import { type Schedule, simulate } from "./simulate.ts";

const { values } = parseArgs({
  options: {
    hosts: { type: "string", default: "200" },
    projects: { type: "string", default: "1" },
    parallel: { type: "string", default: "4,8,16,32,64" },
    actions: { type: "string", default: "5,30" },
    install: { type: "string", default: "240" },
    requests: { type: "string", default: "3600" },
    firewalls: { type: "string", default: "1000" },
    seed: { type: "string", default: "1" },
    json: { type: "boolean", default: false },
  },
});
type Name = Exclude<keyof typeof values, "json">;

const rows: ({ parallel: number } & Schedule)[] = [];
const [shortest = 0, longest = shortest] = numbers("actions");
for (const parallel of numbers("parallel")) {
  const schedule = await simulate({
    hosts: one("hosts"),
    projects: one("projects"),
    parallel,
    actions: [shortest, longest],
    install: one("install"),
    requestLimit: one("requests"),
    firewallLimit: one("firewalls"),
    seed: one("seed"),
  });
  rows.push({ parallel, ...schedule });
}
process.stdout.write(values.json ? `${JSON.stringify(rows)}\n` : `${table()}\n`);

function table(): string {
  const head = [
    "| parallel | done | failed | minutes | hosts an hour | requests a host | refused | most at once | waiting for requests | bound by |",
    "|---|---|---|---|---|---|---|---|---|---|",
  ];
  const lines = rows.map(({ parallel, ...each }) => {
    const cells = [
      parallel,
      each.done,
      each.failed,
      each.minutes.toFixed(0),
      each.hostsPerHour.toFixed(0),
      each.requestsPerHost.toFixed(1),
      each.refused,
      each.mostAtOnce,
      `${(each.waitingForRequests * 100).toFixed(0)} %`,
      each.boundBy,
    ];
    return `| ${cells.join(" | ")} |`;
  });
  return [...head, ...lines].join("\n");
}

function one(name: Name): number {
  return numbers(name)[0] ?? 0;
}

function numbers(name: Name): number[] {
  const found = values[name].split(",").map((text) => (/^[0-9]{1,5}(\.[0-9]{1,3})?$/.test(text) ? Number(text) : 0));
  if (found.every((number) => number > 0)) return found;
  process.stderr.write(`bench: --${name} is "${values[name]}"; give numbers above 0, e.g. 4 or 5,30.\n`);
  process.exit(2);
}
