import { randomInt } from "node:crypto";
import { mkdir, mkdtemp, readFile, rm } from "node:fs/promises";
import type { Server } from "node:http";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { Counters } from "./api/http/counters.ts";
import { RateLimit } from "./api/http/rate-limit.ts";
import { RequestLog } from "./api/http/request-log.ts";
import { Router } from "./api/http/router.ts";
import type { Exchange } from "./api/http-server.ts";
import { createHttpServer } from "./api/http-server.ts";
import { routes } from "./api/routes.ts";
import { Cloud } from "./cloud/cloud.ts";
import { loadState, Store, UnusableState } from "./cloud/store.ts";
import type { StoredState } from "./cloud/types.ts";
import { control } from "./control.ts";
import { DataPlane } from "./data-plane.ts";
import { FaultInjector } from "./faults/injector.ts";
import { parseFaults } from "./faults/schema.ts";
import { reservePort } from "./network/reserved-port.ts";
import { makeReport, type Report } from "./report.ts";

export type { Report, ServerReport } from "./report.ts";

export interface EmulatorOptions {
  /** TCP port of the API on 127.0.0.1. @default the port of the last run on the same `data` if it is free, otherwise any */
  port?: number;
  /** Added to every answer. @default 0 */
  latencyMs?: number;
  /** How long an action takes. @default 300 */
  actionMs?: number;
  /** From power on to ssh. @default 300 */
  bootMs?: number;
  /** Requests an hour. @default 3600, as Hetzner */
  rateLimit?: number;
  /** Firewalls of the project. @default 50, as Hetzner unless support has raised it */
  firewallLimit?: number;
  /** Where state, disks and the request log are kept. @default a temporary folder, gone at the end */
  data?: string;
  /** A JSON file of faults. */
  faults?: string;
  /** 64 characters of [A-Za-z0-9]. @default the token of the last run on the same `data`, otherwise a new one */
  token?: string;
  /** Check every request and answer against the API description; for tests. @default false */
  validate?: boolean;
}

export interface Emulator {
  /** With the base path, as HCLOUD_ENDPOINT wants it. */
  readonly endpoint: string;
  readonly token: string;
  /** The stand-in for TCP/22, the same on every server's address. */
  readonly sshPort: number;
  readonly dataDir: string;
  report(): Report;
  /** What did not agree with the API description. Empty unless `validate`. */
  violations(): string[];
  close(): Promise<void>;
}

/** An option that cannot be used as given; the message says what to do. */
export class EmulatorOptionError extends Error {}

const TOKEN_LENGTH = 64;
const TOKEN_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/** Starts a Hetzner Cloud on this machine. @throws EmulatorOptionError */
export async function startEmulator(options: EmulatorOptions = {}): Promise<Emulator> {
  if (options.token !== undefined && !/^[A-Za-z0-9]{64}$/.test(options.token)) {
    throw new EmulatorOptionError(
      "--token: a Hetzner token is 64 characters of [A-Za-z0-9]. Give one of that shape, or leave it out to have one made.",
    );
  }
  const faults = new FaultInjector();
  if (options.faults !== undefined) faults.set(await readFaultsFile(options.faults));
  const isKept = options.data !== undefined;
  const dataDir = isKept ? resolve(options.data ?? "") : await mkdtemp(join(tmpdir(), "clawdlets-emulator-"));
  const stored = isKept ? await openData(dataDir) : null;
  const token = options.token ?? stored?.token ?? newToken();
  const reserved = await reservePort(stored?.sshPort ?? 0);
  const cloud = new Cloud(options.actionMs ?? 300, stored);
  if (options.firewallLimit !== undefined) cloud.firewallLimit = options.firewallLimit;
  const dataPlane = new DataPlane(cloud, { dir: dataDir, sshPort: reserved.port, bootMs: options.bootMs ?? 300 });
  cloud.machines = dataPlane;
  const counters = new Counters();
  const log = new RequestLog(join(dataDir, "requests.jsonl"));
  const checker = options.validate === true ? await loadChecker() : null;
  const server = createHttpServer({
    cloud,
    router: new Router(routes),
    control: (method, path, body) => control({ cloud, dataPlane, counters, faults }, method, path, body),
    token,
    latencyMs: options.latencyMs ?? 0,
    rateLimit: new RateLimit(options.rateLimit ?? 3600),
    faults,
    counters,
    log,
    onExchange: checker?.check ?? null,
  });
  const port = await listen(server, options.port ?? 0, stored?.port ?? 0).catch(async (error: unknown) => {
    if (!isKept) await rm(dataDir, { recursive: true, force: true });
    throw error;
  });
  const store = new Store(dataDir, () => cloud.snapshot({ token, port, sshPort: reserved.port }));
  cloud.onChange = () => store.changed();
  dataPlane.resume();
  cloud.resume();
  await store.flush();

  return {
    endpoint: `http://127.0.0.1:${port}/v1`,
    token,
    sshPort: reserved.port,
    dataDir,
    report: () => makeReport({ cloud, dataPlane, counters, faults }),
    violations: () => checker?.violations() ?? [],
    close: async () => {
      cloud.close();
      cloud.onChange = () => undefined;
      dataPlane.close();
      await new Promise<void>((done) => {
        server.close(() => done());
        server.closeAllConnections();
      });
      log.close();
      await Promise.all([store.flush(), reserved.release()]);
      if (!isKept) await rm(dataDir, { recursive: true, force: true });
    },
  };
}

interface Checker {
  check: (exchange: Exchange) => void;
  violations: () => string[];
}

/** Loaded on demand: the description is over a megabyte, and only tests ask for it. */
async function loadChecker(): Promise<Checker> {
  const { ExchangeChecker } = await import("./openapi/validate.ts");
  const checker = new ExchangeChecker();
  return { check: (exchange) => checker.check(exchange), violations: () => checker.violations };
}

/** The folder of `--data`, made if it is new. @returns what was saved in it @throws EmulatorOptionError */
async function openData(dir: string): Promise<StoredState | null> {
  try {
    await mkdir(dir, { recursive: true, mode: 0o700 });
    return await loadState(dir);
  } catch (cause) {
    if (cause instanceof UnusableState) {
      throw new EmulatorOptionError(`--data: ${cause.message} Move that file away, or pass another folder.`, { cause });
    }
    const code = cause instanceof Error && "code" in cause ? String(cause.code) : "";
    if (code !== "EEXIST" && code !== "ENOTDIR") throw cause;
    const why = `there is a file where a folder is needed (${code})`;
    throw new EmulatorOptionError(`--data ${dir}: ${why}. Pass a folder, or a path that does not exist yet.`, {
      cause,
    });
  }
}

function newToken(): string {
  return Array.from({ length: TOKEN_LENGTH }, () => TOKEN_LETTERS[randomInt(TOKEN_LETTERS.length)]).join("");
}

async function readFaultsFile(file: string) {
  try {
    const parsed: unknown = JSON.parse(await readFile(file, "utf8"));
    return parseFaults(parsed, file);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new EmulatorOptionError(`--faults ${file}: ${why}`, { cause });
  }
}

/** A port that was asked for must be had; one that was only had before is given up for another. */
async function listen(server: Server, asked: number, before: number): Promise<number> {
  const candidates = asked !== 0 ? [asked] : before !== 0 ? [before, 0] : [0];
  for (const candidate of candidates) {
    if (!(await tryListen(server, candidate))) continue;
    const address = server.address();
    if (address !== null && typeof address === "object") return address.port;
  }
  throw new EmulatorOptionError(
    `--port ${asked}: 127.0.0.1:${asked} is in use or may not be used. Give another port, or 0 for any free one.`,
  );
}

function tryListen(server: Server, port: number): Promise<boolean> {
  return new Promise((resolvePromise) => {
    const onError = () => resolvePromise(false);
    server.once("error", onError);
    server.listen({ host: "127.0.0.1", port }, () => {
      server.off("error", onError);
      resolvePromise(true);
    });
  });
}
