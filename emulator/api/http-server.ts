import { randomBytes } from "node:crypto";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import { createServer } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import type { Cloud } from "../cloud/cloud.ts";
import type { FaultInjector } from "../faults/injector.ts";
import type { FaultEffect } from "../faults/schema.ts";
import { renderAction } from "./actions.ts";
import type { Counters } from "./http/counters.ts";
import { ApiError } from "./http/errors.ts";
import type { RateLimit } from "./http/rate-limit.ts";
import type { RequestLog } from "./http/request-log.ts";
import type { Match, Reply, Router } from "./http/router.ts";

const BASE = "/v1";
const CONTROL_BASE = "/_emulator/";
const BODY_MAX_BYTES = 4 * 1024 * 1024;

/** One request and its answer, for those who check them against the API description. */
export interface Exchange {
  method: string;
  template: string;
  query: URLSearchParams;
  requestBody: unknown;
  status: number;
  responseBody: unknown;
}

export interface HttpParts {
  cloud: Cloud;
  router: Router;
  /** Paths below `/_emulator/`: no rate limit, no log, no faults. */
  control: (method: string, path: string, body: unknown) => Promise<Reply>;
  token: string;
  latencyMs: number;
  rateLimit: RateLimit;
  faults: FaultInjector;
  counters: Counters;
  log: RequestLog;
  onExchange: ((exchange: Exchange) => void) | null;
}

/** One request on its way through: filled step by step, logged at the end whatever happened. */
interface Passage {
  method: string;
  url: URL;
  template: string;
  token: "ok" | "bad" | "none";
  body: unknown;
  startedAt: number;
}

export function createHttpServer(parts: HttpParts): Server {
  const server = createServer({ keepAliveTimeout: 60_000 }, (request, response) => {
    void serve(parts, request, response).catch((error: unknown) => {
      // An internal error, reported as the API reports its own; the text helps people who run the emulator.
      const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
      process.stderr.write(`emulator: ${request.method} ${request.url}: ${message}\n`);
      if (!response.headersSent) send(parts, response, new ApiError(500, "server_error", "emulator error").body(), 500);
    });
  });
  return server;
}

async function serve(parts: HttpParts, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const passage: Passage = {
    method: request.method ?? "GET",
    url: new URL(request.url ?? "/", "http://emulator"),
    template: "",
    token: tokenState(request, parts.token),
    body: undefined,
    startedAt: performance.now(),
  };
  if (passage.url.pathname.startsWith(CONTROL_BASE)) return serveControl(parts, passage, request, response);

  const raw = await readRaw(request);
  if (parts.latencyMs > 0) await sleep(parts.latencyMs);
  let fault: FaultEffect | null = null;
  let reply: Reply;
  try {
    const match = route(parts, passage);
    fault = parts.faults.next(passage.method, passage.template);
    if (fault?.delayMs !== undefined) await sleep(fault.delayMs);
    if (fault?.connection === "reset") return abandon(parts, passage, response);
    if (fault?.connection === "hang") return logRequest(parts, passage, 0);
    if (fault?.respond !== undefined)
      throw new ApiError(fault.respond.status, fault.respond.code, fault.respond.message);
    reply = answer(parts, passage, match, raw, fault);
    if (fault?.connection === "reset-after") return abandon(parts, passage, response);
    if (fault?.respondAfter !== undefined) {
      throw new ApiError(fault.respondAfter.status, fault.respondAfter.code, fault.respondAfter.message);
    }
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    reply = { status: error.status, body: error.body() };
  }
  logRequest(parts, passage, reply.status);
  parts.onExchange?.({
    method: passage.method,
    template: passage.template,
    query: passage.url.searchParams,
    requestBody: passage.body,
    status: reply.status,
    responseBody: reply.body,
  });
  send(parts, response, reply.body, reply.status);
}

/** Finds out what is meant; counts it, known or not. */
function route(parts: HttpParts, passage: Passage): Match | null {
  const { pathname } = passage.url;
  const path = pathname.startsWith(`${BASE}/`) ? pathname.slice(BASE.length) : null;
  const match = path === null ? null : parts.router.match(passage.method, path);
  passage.template = match?.route.template ?? pathname;
  if (match === null) parts.counters.countUnknown(passage.method, pathname);
  else parts.counters.count(passage.method, passage.template);
  return match;
}

function answer(
  parts: HttpParts,
  passage: Passage,
  match: Match | null,
  raw: Buffer,
  fault: FaultEffect | null,
): Reply {
  // The quota counts requests without a valid token too.
  if (!parts.rateLimit.take()) throw new ApiError(429, "rate_limit_exceeded", "limit of requests per hour reached");
  if (passage.token !== "ok") throw new ApiError(401, "unauthorized", "unable to authenticate");
  if (match === null) throw new ApiError(404, "not_found", `${passage.method} ${passage.url.pathname} is not emulated`);
  passage.body = parseJson(raw);
  if (fault?.lie) return lie(parts.cloud, passage);
  return match.route.handle({
    cloud: parts.cloud,
    method: passage.method,
    params: match.params,
    query: passage.url.searchParams,
    body: passage.body,
    actionFault:
      fault?.action === undefined
        ? null
        : {
            ...(fault.action.error === undefined ? {} : { error: fault.action.error }),
            ...(fault.action.durationMs === undefined ? {} : { durationMs: fault.action.durationMs }),
            ...(fault.action.withoutEffect === undefined ? {} : { withoutEffect: true }),
          },
  });
}

/** Success, and nothing done. */
function lie(cloud: Cloud, { method, template }: Passage): Reply {
  if (method === "DELETE") return { status: 204 };
  const command = /^\/[a-z_]+\/\{id\}\/actions\/([a-z_]+)$/.exec(template)?.[1];
  if (method !== "POST" || command === undefined) {
    throw new Error(`a fault lies about ${method} ${template}; it can about a DELETE and a POST on …/actions/…`);
  }
  const action = renderAction(cloud, cloud.startAction({ command, resources: [], durationMs: 0 }));
  // Firewalls answer with a list, everything else with one.
  return { status: 201, body: template.startsWith("/firewalls/") ? { actions: [action] } : { action } };
}

async function serveControl(
  parts: HttpParts,
  passage: Passage,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  try {
    if (passage.token !== "ok") throw new ApiError(401, "unauthorized", "unable to authenticate");
    const body = parseJson(await readRaw(request));
    const reply = await parts.control(passage.method, passage.url.pathname.slice(CONTROL_BASE.length), body);
    send(parts, response, reply.body, reply.status);
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    send(parts, response, error.body(), error.status);
  }
}

function tokenState(request: IncomingMessage, token: string): Passage["token"] {
  const header = request.headers.authorization;
  if (header === undefined) return "none";
  return header === `Bearer ${token}` ? "ok" : "bad";
}

async function readRaw(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > BODY_MAX_BYTES) throw new ApiError(413, "request_entity_too_large", "the request is too large");
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function parseJson(raw: Buffer): unknown {
  if (raw.length === 0) return undefined;
  try {
    const parsed: unknown = JSON.parse(raw.toString("utf8"));
    return parsed;
  } catch (cause) {
    throw new ApiError(400, "json_error", `invalid JSON in request: ${cause instanceof Error ? cause.message : "?"}`);
  }
}

function send(parts: HttpParts, response: ServerResponse, body: unknown, status: number): void {
  // hcloud-go appends it to the message of an error, and Hetzner's support asks for it.
  const headers = { ...parts.rateLimit.headers(), "X-Correlation-Id": randomBytes(16).toString("hex") };
  if (body === undefined) {
    response.writeHead(status, headers).end();
    return;
  }
  const text = JSON.stringify(body);
  response
    .writeHead(status, {
      ...headers,
      "Content-Type": "application/json; charset=utf-8",
      "Content-Length": Buffer.byteLength(text),
    })
    .end(text);
}

function abandon(parts: HttpParts, passage: Passage, response: ServerResponse): void {
  logRequest(parts, passage, 0);
  response.socket?.resetAndDestroy();
}

/** Status 0 is a request that got no answer. */
function logRequest(parts: HttpParts, passage: Passage, status: number): void {
  parts.log.write({
    time: new Date().toISOString(),
    method: passage.method,
    path: `${passage.url.pathname.replace(/^\/v1(?=\/)/, "")}${passage.url.search}`,
    template: passage.template,
    status,
    ms: Math.round((performance.now() - passage.startedAt) * 100) / 100,
    body: passage.body ?? null,
    token: passage.token,
  });
}
