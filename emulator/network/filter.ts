import type { Cloud } from "../cloud/cloud.ts";
import type { FirewallRule, ServerRecord } from "../cloud/types.ts";
import { ipv4Number, ipv4Part, ipv6Part, parseRange } from "./cidr.ts";
import { parsePorts } from "./ports.ts";

interface Span {
  version: 4 | 6;
  start: bigint;
  end: bigint;
}

const EVERYWHERE: readonly Span[] = [
  { version: 4, start: 0n, end: 0xffff_ffffn },
  { version: 6, start: 0n, end: (1n << 128n) - 1n },
];
const LOOPBACK: readonly Span[] = [
  { version: 4, start: ipv4Number("127.0.0.0"), end: ipv4Number("127.255.255.255") },
  { version: 6, start: 1n, end: 1n },
];
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

/** Whether anybody on this machine could be let in at an address of this version. Where not, nothing listens at all. */
export function canAnyLocalSourceConnect(spans: readonly Span[], version: 4 | 6): boolean {
  const sources = LOOPBACK.filter((span) => span.version === version);
  return sources.some((source) => spans.some((span) => overlaps(span, source)));
}

export function isAllowed(spans: readonly Span[], remoteAddress: string): boolean {
  const [source] = spansOf(`${remoteAddress}/${remoteAddress.includes(":") ? 128 : 32}`);
  return source !== undefined && spans.some((span) => overlaps(span, source));
}

const overlaps = (a: Span, b: Span): boolean => a.version === b.version && a.start <= b.end && b.start <= a.end;

function sshSpans(rules: FirewallRule[]): Span[] {
  let spans = spansOfRules.get(rules);
  if (spans === undefined) {
    spans = rules.filter(isAboutSsh).flatMap((rule) => rule.source_ips.flatMap(spansOf));
    spansOfRules.set(rules, spans);
  }
  return spans;
}

function isAboutSsh(rule: FirewallRule): boolean {
  if (rule.direction !== "in" || rule.protocol !== "tcp") return false;
  const ports = parsePorts(rule.port ?? "");
  return ports !== null && ports.from <= SSH_PORT && SSH_PORT <= ports.to;
}

function spansOf(cidr: string): Span[] {
  const range = parseRange(cidr);
  if (range === null) return [];
  const [four, six] = [ipv4Part(range), ipv6Part(range)];
  return [...(four ? [{ version: 4 as const, ...four }] : []), ...(six ? [{ version: 6 as const, ...six }] : [])];
}
