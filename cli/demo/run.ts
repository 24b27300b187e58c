import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { type Journal, readJournal } from "../../core/host/journal.ts";
import { isClosed, probePort } from "../../core/host/reach/probe.ts";
import { hostLayoutOf } from "../../core/project/layout.ts";
import { loadHost } from "../../core/project/settings/host.ts";
import { doneText } from "../../engine/progress/operations.ts";
import type { Progress } from "../../engine/progress/progress.ts";
import { up } from "../../engine/up.ts";
import { PortObserver } from "./observer.ts";
import { type Demo, demoAddresses } from "./prepare.ts";

const seen = z.enum(["open", "closed", "not checked"]);

/** Port states during the installation. Saved to a file, because later runs have nothing to install. */
const observation = z.object({ beforeInstall: seen, duringInstall: seen, sshFromElsewhere: seen });

/** The last line of `npm start -- --json`. */
export interface DemoResult {
  ok: boolean;
  stack: string;
  server: { name: string; ipv4: string };
  /** State of the port that stands in for TCP/22, by connecting from the admin's address; `afterInstall` is probed in every run. */
  ssh: { beforeInstall: string; duringInstall: string; afterInstall: string };
  /** During the installation, from an address outside the admin CIDRs. */
  sshFromElsewhere: string;
  /** Completed installations since the server was created. */
  installRuns: number;
  /** Number of requests in this run, by method and path template. */
  apiRequests: Record<string, number>;
  /** Duration of each step of this run. */
  seconds: Record<string, number>;
  stateBytes: number;
}

/** Runs `clawdlets up` on the demo's project while probing its port from outside. */
export async function runDemo(demo: Demo, progress: Progress): Promise<DemoResult> {
  const { layout, host } = demo;
  const before = (await demo.report()).requests;
  const startedAt = Date.now();
  const observer = new PortObserver(
    async () => (await demo.report()).servers.find(({ name }) => name === host)?.ipv4 ?? undefined,
    demo.sshPort,
  );
  try {
    const { changes } = await up({ layout, host, environment: process.env, progress });
    progress(`${host}: ${doneText(changes)}`);
  } finally {
    await observer.stop();
  }
  const total = (Date.now() - startedAt) / 1000;
  const report = await demo.report();
  const server = report.servers.find(({ name }) => name === host);
  const journal = readJournal(hostLayoutOf(layout, host).journal);
  const fresh = journal !== undefined && Date.parse(journal.startedAt) >= startedAt;
  const { beforeInstall, duringInstall, sshFromElsewhere } = fresh
    ? observe(demo, observer, startedAt, journal)
    : recall(demo);
  const last = await probePort(server?.ipv4 ?? "", demo.sshPort, {
    timeoutMs: 2000,
    localAddress: demoAddresses.admin,
  });
  const afterInstall = isClosed(last) ? "closed" : "open";
  const installRuns = server?.installRuns ?? 0;
  // A server from a baked snapshot needs no run of the installer.
  const { mode } = loadHost(layout, host, process.env).settings.install;
  return {
    ok:
      beforeInstall === "closed" &&
      duringInstall === "open" &&
      afterInstall === "closed" &&
      sshFromElsewhere === "closed" &&
      installRuns === (mode === "full" ? 1 : 0),
    stack: host,
    server: { name: host, ipv4: server?.ipv4 ?? "" },
    ssh: { beforeInstall, duringInstall, afterInstall },
    sshFromElsewhere,
    installRuns,
    apiRequests: difference(report.requests, before),
    seconds: { ...(fresh && stepSeconds(startedAt, journal)), total: round(total) },
    stateBytes: stateBytes(demo),
  };
}

function observe(
  { layout }: Demo,
  observer: PortObserver,
  startedAt: number,
  journal: Journal,
): z.infer<typeof observation> {
  const at = (step: string) =>
    Date.parse(journal.steps.find((each) => each.step === step)?.at ?? journal.endedAt ?? "");
  const [opened, closing] = [at("open"), at("close")];
  const found = {
    beforeInstall: observer.seenByAdmin(startedAt, opened),
    duringInstall: observer.seenByAdmin(opened, closing),
    sshFromElsewhere: observer.seenFromElsewhere(opened, closing),
  };
  writeFileSync(join(layout.root, "observed.json"), JSON.stringify(found));
  return found;
}

function recall({ layout }: Demo): z.infer<typeof observation> {
  const file = join(layout.root, "observed.json");
  const nothing = {
    beforeInstall: "not checked",
    duringInstall: "not checked",
    sshFromElsewhere: "not checked",
  } as const;
  return existsSync(file) ? observation.catch(nothing).parse(JSON.parse(readFileSync(file, "utf8"))) : nothing;
}

/** How long each step took; `create` is everything before the installation began. */
function stepSeconds(startedAt: number, { steps, startedAt: began, endedAt }: Journal): Record<string, number> {
  const ends = [...steps.slice(1).map(({ at }) => at), endedAt ?? ""];
  const seconds = steps.map(
    ({ step, at }, index) => [step, round((Date.parse(ends[index] ?? "") - Date.parse(at)) / 1000)] as const,
  );
  return { create: round((Date.parse(began) - startedAt) / 1000), ...Object.fromEntries(seconds) };
}

function difference(now: Record<string, number>, before: Record<string, number>): Record<string, number> {
  const counts = Object.entries(now).map(([key, count]) => [key, count - (before[key] ?? 0)] as const);
  return Object.fromEntries(counts.filter(([, count]) => count > 0));
}

function stateBytes({ layout, host }: Demo): number {
  const file = join(layout.state, ".pulumi", "stacks", "clawdlets", `${host}.json`);
  return existsSync(file) ? statSync(file).size : 0;
}

const round = (seconds: number) => Math.round(seconds * 1000) / 1000;
