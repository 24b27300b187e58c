import { z } from "zod";
import type { Cloud } from "../../cloud/cloud.ts";
import { isSameTarget } from "../../cloud/effects.ts";
import { selectedServers } from "../../cloud/firewall-bindings.ts";
import type { ActionRecord, FirewallRecord } from "../../cloud/types.ts";
import { actionRoutes, renderAction } from "../actions.ts";
import { ApiError, notUnique, unprocessable } from "../http/errors.ts";
import { labels, name, readBody } from "../http/input.ts";
import { list } from "../http/paging.ts";
import type { Call, Reply, Route } from "../http/router.ts";
import { del, get, post, put } from "../http/router.ts";
import { mustBeUnlocked, pathFirewall } from "../locks.ts";
import { checkRules, rulesBody } from "./rules.ts";
import { applyTo, readTargets, resourcesOf, targets } from "./targets.ts";

function render(cloud: Cloud, firewall: FirewallRecord): unknown {
  return {
    id: firewall.id,
    name: firewall.name,
    labels: firewall.labels,
    created: firewall.created,
    rules: firewall.rules,
    applied_to: firewall.targets.map((item) =>
      item.type === "server"
        ? { type: "server", server: { id: item.server } }
        : {
            type: "label_selector",
            label_selector: { selector: item.selector },
            applied_to_resources: selectedServers(cloud, item.selector).map((server) => ({
              type: "server",
              server: { id: server },
            })),
          },
    ),
  };
}

function actionsReply(call: Call, actions: ActionRecord[]): Reply {
  return { status: 201, body: { actions: actions.map((action) => renderAction(call.cloud, action)) } };
}

function nameMustBeFree(cloud: Cloud, wanted: string, except?: number): void {
  for (const other of cloud.firewalls.values()) {
    if (other.name === wanted && other.id !== except) throw notUnique("name");
  }
}

const createBody = z.object({
  name,
  labels: labels.optional(),
  rules: rulesBody.optional(),
  apply_to: targets.optional(),
});

function create(call: Call): Reply {
  const { cloud } = call;
  const body = readBody(call, createBody);
  nameMustBeFree(cloud, body.name);
  if (cloud.firewalls.size >= cloud.firewallLimit) {
    const message = `the limit of ${cloud.firewallLimit} firewalls a project is reached`;
    throw new ApiError(403, "resource_limit_exceeded", message);
  }
  const rules = checkRules(body.rules ?? []);
  const wanted = readTargets(body.apply_to ?? [], "apply_to");
  const firewall: FirewallRecord = {
    id: cloud.nextId("firewall"),
    name: body.name,
    labels: body.labels ?? {},
    created: cloud.now(),
    rules,
    activeRules: rules,
    targets: [],
    bindings: [],
    inUseUntil: 0,
  };
  const applying = applyTo(call, firewall, wanted);
  cloud.firewalls.set(firewall.id, firewall);
  const setting = cloud.startAction({
    command: "set_firewall_rules",
    resources: [{ id: firewall.id, type: "firewall" }],
    effect: { do: "firewall.rules", firewall: firewall.id },
    fault: call.actionFault,
  });
  cloud.networkChanged();
  const actions = [setting, ...applying].map((action) => renderAction(cloud, action));
  return { status: 201, body: { firewall: render(cloud, firewall), actions } };
}

function setRules(call: Call): Reply {
  const { cloud } = call;
  const firewall = pathFirewall(call);
  const body = readBody(call, z.object({ rules: rulesBody }));
  mustBeUnlocked(cloud, "firewall", firewall.id);
  firewall.rules = checkRules(body.rules);
  for (const binding of firewall.bindings) binding.status = "pending";
  const resources = [{ id: firewall.id, type: "firewall" as const }];
  const actions = [
    cloud.startAction({
      command: "set_firewall_rules",
      resources,
      effect: { do: "firewall.rules", firewall: firewall.id },
      fault: call.actionFault,
    }),
    ...firewall.targets.map((item) =>
      cloud.startAction({
        command: "apply_firewall",
        resources: resourcesOf(firewall, item),
        locks: resources,
        // A slow Hetzner is slow to apply the rules, too; what goes wrong goes wrong in setting them.
        ...(call.actionFault?.durationMs !== undefined && { durationMs: call.actionFault.durationMs }),
      }),
    ),
  ];
  return actionsReply(call, actions);
}

function remove(call: Call): Reply {
  const { cloud } = call;
  const firewall = pathFirewall(call);
  const body = readBody(call, z.object({ remove_from: targets }));
  mustBeUnlocked(cloud, "firewall", firewall.id);
  const gone = readTargets(body.remove_from, "remove_from");
  for (const item of gone) {
    if (firewall.targets.some((existing) => isSameTarget(existing, item))) continue;
    const byLabel = item.type === "server" && firewall.bindings.some((binding) => binding.server === item.server);
    throw byLabel
      ? unprocessable("firewall_managed_by_label_selector", "firewall is applied via a label selector")
      : unprocessable("firewall_resource_not_found", "firewall is not applied to the resource");
  }
  return actionsReply(
    call,
    gone.map((item) =>
      cloud.startAction({
        command: "remove_firewall",
        resources: resourcesOf(firewall, item),
        effect: { do: "firewall.remove", firewall: firewall.id, targets: [item] },
        locks: [{ id: firewall.id, type: "firewall" }],
        fault: call.actionFault,
      }),
    ),
  );
}

export const firewallsApi: Route[] = [
  post("/firewalls", create),
  get("/firewalls", (call) =>
    list(call, "firewalls", call.cloud.firewalls.values(), (firewall) => render(call.cloud, firewall)),
  ),
  get("/firewalls/{id}", (call) => ({ status: 200, body: { firewall: render(call.cloud, pathFirewall(call)) } })),
  put("/firewalls/{id}", (call) => {
    const firewall = pathFirewall(call);
    const body = readBody(call, z.object({ name: name.optional(), labels: labels.optional() }));
    if (body.name !== undefined) nameMustBeFree(call.cloud, body.name, firewall.id);
    firewall.name = body.name ?? firewall.name;
    firewall.labels = body.labels ?? firewall.labels;
    call.cloud.onChange();
    return { status: 200, body: { firewall: render(call.cloud, firewall) } };
  }),
  del("/firewalls/{id}", (call) => {
    const firewall = pathFirewall(call);
    if (firewall.targets.length > 0 || firewall.bindings.length > 0 || Date.now() < firewall.inUseUntil) {
      throw unprocessable("resource_in_use", `firewall with ID '${firewall.id}' is still in use`);
    }
    mustBeUnlocked(call.cloud, "firewall", firewall.id);
    call.cloud.firewalls.delete(firewall.id);
    call.cloud.networkChanged();
    return { status: 204 };
  }),
  post("/firewalls/{id}/actions/set_rules", setRules),
  post("/firewalls/{id}/actions/apply_to_resources", (call) => {
    const firewall = pathFirewall(call);
    const body = readBody(call, z.object({ apply_to: targets }));
    mustBeUnlocked(call.cloud, "firewall", firewall.id);
    const actions = applyTo(call, firewall, readTargets(body.apply_to, "apply_to"));
    call.cloud.networkChanged();
    return actionsReply(call, actions);
  }),
  post("/firewalls/{id}/actions/remove_from_resources", remove),
  ...actionRoutes("firewalls", "firewall", (cloud, firewallId) => cloud.firewalls.has(firewallId)),
];
