import { losesSomething, resourceTypes } from "../../../core/base/hetzner/resource-types.ts";
import { powerCut } from "../../../core/host/server/resize-guard.ts";
import { type FirewallRule, opensSsh } from "../../../core/project/firewall/opens-ssh.ts";
import { hasUnknown, type Plan, type Step, type Values } from "./plan.ts";

/** What would happen to one resource, in a few words. */
export interface Change {
  op: string;
  resource: string;
  /** e.g. `Server`, `Firewall`, `Command` */
  kind: string;
  /** Input properties that differ. */
  properties: string[];
}

/** Something that cannot be taken back, or that opens a port. */
export interface Danger {
  kind: "replacement" | "opening" | "destruction";
  resource: string;
  message: string;
}

const kindOf = ({ type }: Step) => type.split(":").at(-1) ?? type;

/** What a plan changes. Components are left out: what they hold says it. */
export function changesOf({ steps }: Plan): Change[] {
  return steps
    .filter(
      ({ op, custom, type }) => custom && !["same", "read", "refresh"].includes(op) && !type.startsWith("pulumi:"),
    )
    .map((step) => ({
      op: step.op,
      resource: step.name,
      kind: kindOf(step),
      properties: [...new Set(Object.keys(step.diff).map((path) => path.split(/[.[]/)[0] ?? path))].sort(),
    }));
}

/** What has to be seen by a person before it is done. */
export function dangersOf({ steps }: Plan): Danger[] {
  return steps.flatMap((step) => [...replacements(step), ...destructions(step), ...openings(step)]);
}

/** Servers whose power an update would cut, or that it would reset, a sentence each. */
export function powerCutsOf({ steps }: Plan): string[] {
  return steps.flatMap((step) => interruptionsOf(step).map((text) => `${step.name}: ${text}`));
}

/** What an update in place does to a running server. By the provider's own code: hcloud 1.68.0, internal/server/resource.go. */
export function interruptionsOf({ op, type, before = {}, after = {} }: Step): string[] {
  if (op !== "update" || type !== resourceTypes.server) return [];
  const differs = (key: string) => JSON.stringify(before[key]) !== JSON.stringify(after[key]);
  return [
    ...(differs("serverType") ? [powerCut(String(before["serverType"]), String(after["serverType"]))] : []),
    ...(differs("publicNets")
      ? ["the server's POWER IS CUT to change its addresses; it starts again afterwards."]
      : []),
    ...(differs("iso") || differs("rescue")
      ? ["the server is RESET, as if its power had been cut, and boots again."]
      : []),
    ...(before["backups"] === true && after["backups"] !== true ? ["all BACKUPS of the server ARE DELETED."] : []),
  ];
}

const installs = /clawdlets install|nixos-anywhere|nixos-install|kexec|disko|installimage/;
const isCommand = ({ type }: Step) => type === resourceTypes.localCommand || type === resourceTypes.remoteCommand;
const isInstall = ({ after, before }: Step) =>
  installs.test(`${String(after?.["create"])}\n${String(before?.["create"])}`);

function replacements(step: Step): Danger[] {
  if (step.op !== "replace") return [];
  const by = Object.entries(step.diff)
    .filter(([, { replaces }]) => replaces)
    .map(([path]) => path.split(/[.[]/)[0] ?? path);
  const because = by.length > 0 ? ` (${[...new Set(by)].join(", ")} changed)` : "";
  if (isCommand(step)) {
    if (!isInstall(step)) return [];
    const message = `would be run again${because}: another installation, which WIPES THE DISK`;
    return [{ kind: "replacement", resource: step.name, message }];
  }
  if (!losesSomething(step.type)) return [];
  return [
    {
      kind: "replacement",
      resource: step.name,
      message: `would be deleted and created again${because}; everything on it is lost`,
    },
  ];
}

function destructions(step: Step): Danger[] {
  if (step.op !== "delete" || !losesSomething(step.type)) return [];
  return [
    { kind: "destruction", resource: step.name, message: `${kindOf(step)} would be deleted, with everything on it` },
  ];
}

function openings(step: Step): Danger[] {
  if (step.type !== resourceTypes.firewall || step.op === "delete" || step.op === "same") return [];
  const before = rulesOf(step.before).map(ruleText);
  const opened = rulesOf(step.after).filter(
    (rule) => rule.direction === "in" && rule.protocol !== "icmp" && !before.includes(ruleText(rule)),
  );
  return opened.map((rule) => ({
    kind: "opening",
    resource: step.name,
    message: `${ruleText(rule)} would be let in${opensSsh(rule) ? ": ssh, for as long as the rule stays" : ""}`,
  }));
}

const ruleText = ({ protocol, port, source_ips = [] }: FirewallRule) =>
  `${protocol}${port ? `/${port}` : ""} from ${[...source_ips].sort().join(", ") || "networks not known yet"}`;

/** The rules of a planned firewall in the shape of the API. */
export function rulesOf(values: Values | undefined): FirewallRule[] {
  const rules = values?.["rules"];
  if (!Array.isArray(rules)) return [];
  return rules.map((rule) => ({
    direction: rule.direction === "out" ? "out" : "in",
    protocol: rule.protocol,
    port: rule.port ?? null,
    source_ips: Array.isArray(rule.sourceIps) && !hasUnknown(rule.sourceIps) ? rule.sourceIps : [],
  }));
}
