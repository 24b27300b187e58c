import { z } from "zod";
import type { Counters } from "./api/http/counters.ts";
import { ApiError, invalidInput, notFound } from "./api/http/errors.ts";
import type { Reply } from "./api/http/router.ts";
import type { Cloud } from "./cloud/cloud.ts";
import type { DataPlane } from "./data-plane.ts";
import type { FaultInjector } from "./faults/injector.ts";
import { parseFaults } from "./faults/schema.ts";
import { makeReport } from "./report.ts";

export interface ControlParts {
  cloud: Cloud;
  dataPlane: DataPlane;
  counters: Counters;
  faults: FaultInjector;
}

const onOff = z.strictObject({ on: z.boolean() });
const soldOut = z.strictObject({ type: z.string(), location: z.string() });
const commandFault = z.strictObject({
  command: z.string(),
  exitCode: z.number().int().min(0).max(255).default(1),
  stderr: z.string().default(""),
  times: z.number().int().positive().default(1),
  hangs: z.boolean().default(false),
});

/** Everything below `/_emulator/`: what no real cloud offers, for demos and tests. */
export async function control(parts: ControlParts, method: string, path: string, body: unknown): Promise<Reply> {
  const request = `${method} ${path}`;
  if (request === "GET report") return { status: 200, body: makeReport(parts) };
  if (request === "POST reset-counters") {
    parts.counters.reset();
    return { status: 204 };
  }
  if (request === "POST faults") {
    parts.faults.set(readFaults(body));
    return { status: 204 };
  }
  if (request === "POST sold-out") {
    parts.cloud.soldOut.clear();
    for (const { type, location } of read(z.array(soldOut), body)) parts.cloud.soldOut.add(`${type} ${location}`);
    return { status: 204 };
  }
  if (request === "GET tailnet") return { status: 200, body: { peers: tailnetPeers(parts) } };
  const match = /^POST servers\/([0-9]+)\/([a-z-]+)$/.exec(request);
  if (match === null) throw new ApiError(404, "not_found", `/_emulator/${path} is not known`);
  return onServer(parts, Number(match[1]), match[2] ?? "", body);
}

async function onServer(parts: ControlParts, id: number, verb: string, body: unknown): Promise<Reply> {
  const { cloud, dataPlane } = parts;
  const server = cloud.servers.get(id);
  const machine = dataPlane.machine(id);
  if (server === undefined || machine === undefined) throw notFound("server", id);
  switch (verb) {
    case "power-cut":
      server.machine.powered = false;
      server.status = "off";
      machine.halt();
      break;
    case "power-on":
      server.machine.powered = true;
      server.status = "running";
      machine.boot();
      break;
    case "network":
      machine.networkUp = read(onOff, body).on;
      if (!machine.networkUp) dataPlane.dropConnections(id);
      break;
    case "tailnet":
      machine.tailnetUp = read(onOff, body).on;
      break;
    case "public-ssh":
      machine.publicSshUp = read(onOff, body).on;
      break;
    case "host-key-swap":
      await dataPlane.swapHostKey(id, read(onOff, body).on);
      break;
    case "command-faults":
      machine.faults.splice(0, machine.faults.length, ...read(z.array(commandFault), body));
      break;
    default:
      throw new ApiError(404, "not_found", `'${verb}' is not known`);
  }
  cloud.networkChanged();
  return { status: 204 };
}

function tailnetPeers({ cloud, dataPlane }: ControlParts) {
  return [...cloud.servers.values()].flatMap((server) => {
    const machine = dataPlane.machine(server.id);
    if (machine === undefined || machine.os !== "nixos") return [];
    return [
      {
        id: server.id,
        hostname: machine.isAnswering ? machine.hostname : server.name,
        ipv4: dataPlane.tailnetAddress(server.id),
        online: machine.isOnTailnet,
      },
    ];
  });
}

function readFaults(body: unknown) {
  try {
    return parseFaults(body ?? [], "faults");
  } catch (error) {
    if (error instanceof Error) throw invalidInput({ faults: error.message });
    throw error;
  }
}

function read<T extends z.ZodType>(schema: T, body: unknown): z.output<T> {
  const result = schema.safeParse(body);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  throw invalidInput({ [issue?.path.join(".") || "body"]: issue?.message ?? "is invalid" });
}
