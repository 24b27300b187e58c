import type { Counters } from "./api/http/counters.ts";
import { firstAddress } from "./cloud/addresses.ts";
import type { Cloud } from "./cloud/cloud.ts";
import type { DataPlane } from "./data-plane.ts";
import type { FaultInjector } from "./faults/injector.ts";
import type { ImpostorLog } from "./machine/impostor.ts";

export interface ServerReport {
  id: number;
  name: string;
  ipv4: string | null;
  /** The first address of its network. */
  ipv6: string | null;
  tailnetIpv4: string;
  status: string;
  os: "debian" | "installer" | "nixos";
  bootId: string;
  installRuns: number;
  diskWipes: number;
  connectionsAccepted: number;
  connectionsRefused: number;
  /** Whether sshd is up; says nothing about who may reach it. */
  isAnswering: boolean;
  /** What the machine in the middle saw, while there is one. */
  impostor: ImpostorLog | null;
}

/** What happened so far, for demos, tests and benches. */
export interface Report {
  /** By method and path template, polls (`GET /actions…`) included. */
  requests: Record<string, number>;
  polls: number;
  unknownEndpoints: string[];
  /** How often each fault struck, in the order given. */
  faultHits: number[];
  servers: ServerReport[];
}

export function makeReport(parts: {
  cloud: Cloud;
  dataPlane: DataPlane;
  counters: Counters;
  faults: FaultInjector;
}): Report {
  const { cloud, dataPlane } = parts;
  const requests = parts.counters.requests();
  const polls = Object.entries(requests).filter(([endpoint]) => endpoint.startsWith("GET /actions"));
  return {
    requests,
    polls: polls.reduce((sum, [, times]) => sum + times, 0),
    unknownEndpoints: parts.counters.unknownEndpoints(),
    faultHits: parts.faults.hits(),
    servers: [...cloud.servers.values()].map((server) => ({
      id: server.id,
      name: server.name,
      ipv4: server.ipv4 === null ? null : (cloud.primaryIps.get(server.ipv4)?.ip ?? null),
      ipv6: ipv6Of(cloud, server.ipv6),
      tailnetIpv4: dataPlane.tailnetAddress(server.id),
      status: server.status,
      os: server.machine.os,
      bootId: server.machine.bootId,
      installRuns: server.machine.installRuns,
      diskWipes: server.machine.diskWipes,
      connectionsAccepted: server.machine.connectionsAccepted,
      connectionsRefused: server.machine.connectionsRefused,
      isAnswering: dataPlane.machine(server.id)?.isAnswering ?? false,
      impostor: dataPlane.impostorLog(server.id),
    })),
  };
}

function ipv6Of(cloud: Cloud, id: number | null): string | null {
  const network = id === null ? undefined : cloud.primaryIps.get(id)?.ip;
  return network === undefined ? null : firstAddress(network);
}
