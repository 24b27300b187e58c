import { z } from "zod";
import { actionReply } from "../actions.ts";
import { invalidInput } from "../http/errors.ts";
import { id, readBody } from "../http/input.ts";
import type { Call, Route } from "../http/router.ts";
import { post } from "../http/router.ts";
import { found, unlockedServer } from "../locks.ts";
import { attachmentFor } from "../network-addresses.ts";

function attached(call: Call, networkId: number) {
  const server = unlockedServer(call);
  found("network", call.cloud.networks, networkId);
  const net = server.privateNet.find((candidate) => candidate.network === networkId);
  if (net === undefined) throw invalidInput({ network: `the server is not attached to network ${networkId}` });
  return { server, net };
}

export const serverNetworksApi: Route[] = [
  post("/servers/{id}/actions/attach_to_network", (call) => {
    const server = unlockedServer(call);
    const body = readBody(
      call,
      z.object({
        network: id,
        ip: z.string().optional(),
        ip_range: z.string().optional(),
        alias_ips: z.array(z.string()).optional(),
      }),
    );
    const { ip } = attachmentFor(call.cloud, body.network, server, { ip: body.ip, ipRange: body.ip_range });
    const action = call.cloud.startAction({
      command: "attach_to_network",
      resources: [
        { id: server.id, type: "server" },
        { id: body.network, type: "network" },
      ],
      effect: { do: "server.attach", server: server.id, network: body.network, ip, aliasIps: body.alias_ips ?? [] },
      fault: call.actionFault,
    });
    return actionReply(call, action);
  }),
  post("/servers/{id}/actions/detach_from_network", (call) => {
    const body = readBody(call, z.object({ network: id }));
    const { server } = attached(call, body.network);
    const action = call.cloud.startAction({
      command: "detach_from_network",
      resources: [
        { id: server.id, type: "server" },
        { id: body.network, type: "network" },
      ],
      effect: { do: "server.detach", server: server.id, network: body.network },
      fault: call.actionFault,
    });
    return actionReply(call, action);
  }),
  post("/servers/{id}/actions/change_alias_ips", (call) => {
    const body = readBody(call, z.object({ network: id, alias_ips: z.array(z.string()) }));
    const { server } = attached(call, body.network);
    const action = call.cloud.startAction({
      command: "change_alias_ips",
      resources: [
        { id: server.id, type: "server" },
        { id: body.network, type: "network" },
      ],
      effect: { do: "server.aliases", server: server.id, network: body.network, aliasIps: body.alias_ips },
      fault: call.actionFault,
    });
    return actionReply(call, action);
  }),
];
