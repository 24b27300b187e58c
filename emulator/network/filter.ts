import type { Cloud } from "../cloud/cloud.ts";
import type { FirewallRule, ServerRecord } from "../cloud/types.ts";
import { ipv4Number, ipv4Part, parseRange } from "./cidr.ts";
import { parsePorts } from "./ports.ts";

interface Span {
  start: bigint;
  end: bigint;
}

const EVERYWHERE: readonly Span[] = [{ start: 0n, end: 0xffff_ffffn }];
const LOOPBACK: Span = { start: ipv4Number("127.0.0.0"), end: ipv4Number("127.255.255.255") };
const SSH_PORT = 22;

const spansOfRules = new WeakMap<FirewallRule[], Span[]>();

/** Who may open a connection to TCP/22 of a server: the union of its firewalls. Without any firewall, everybody. */
export function sshSources(cloud: Cloud, server: ServerRecord): readonly Span[] {
  const spans: Span[] = [];
  let isFiltered = false;
  for (const firewall of cloud.firewalls.values()) {
    if (!firewall.bindings.some((binding) => binding.server === server.id && binding.enforced)) continue;
    isFiltered = true;
    spans.push(...sshSpans(firewall.activeRules));
  }
  return isFiltered ? spans : EVERYWHERE;
}

/** Whether anybody on this machine could be let in. Where not, nothing listens at all. */
export function canAnyLocalSourceConnect(spans: readonly Span[]): boolean {
  return spans.some((span) => span.start <= LOOPBACK.end && LOOPBACK.start <= span.end);
}

export function isAllowed(spans: readonly Span[], remoteAddress: string): boolean {
  const address = ipv4Number(remoteAddress.replace(/^::ffff:/, ""));
  return spans.some((span) => span.start <= address && address <= span.end);
}

function sshSpans(rules: FirewallRule[]): Span[] {
  let spans = spansOfRules.get(rules);
  if (spans === undefined) {
    spans = rules.filter(isAboutSsh).flatMap((rule) => rule.source_ips.flatMap(spanOf));
    spansOfRules.set(rules, spans);
  }
  return spans;
}

function isAboutSsh(rule: FirewallRule): boolean {
  if (rule.direction !== "in" || rule.protocol !== "tcp") return false;
  const ports = parsePorts(rule.port ?? "");
  return ports !== null && ports.from <= SSH_PORT && SSH_PORT <= ports.to;
}

function spanOf(cidr: string): Span[] {
  const range = parseRange(cidr);
  const span = range === null ? null : ipv4Part(range);
  return span === null ? [] : [span];
}
