import type { Problem } from "../../../base/problem.ts";
import { safeText } from "../../../base/wording.ts";
import { hasTailnet } from "../../../project/settings/host.ts";
import { notSaid, rebuildFix, type Settings } from "./common.ts";
import type { InForce } from "./read.ts";

type Nft = NonNullable<InForce["nft"]>;
interface Chain {
  family: string;
  table: string;
  name: string;
  hook?: string;
  policy?: string;
}
interface Rule {
  family: string;
  table: string;
  chain: string;
  expr: unknown[];
}

const ofKind = <T>(nft: Nft, kind: string): T[] =>
  nft.flatMap((each) => (each[kind] === undefined ? [] : [each[kind] as T]));

export function firewallProblems(nft: Nft | null, settings: Settings): Problem[] {
  const { host, bots, sshExposure } = settings;
  if (nft === null) return [notSaid(host, "nft")];
  const problem = (setting: string, text: string): Problem => {
    return { code: "not-locked-down", subject: host, setting, problem: text, fix: rebuildFix(host) };
  };
  const chains = ofKind<Chain>(nft, "chain");
  const drops = chains.filter((chain) => chain.hook === "input" && chain.policy === "drop" && chain.family === "inet");
  const problems: Problem[] = [];
  if (drops.length === 0) problems.push(problem("nft input", "no chain drops inbound packets that no rule accepts."));
  const egress = chains.filter(({ table }) => table === "clawdlets-egress").flatMap(({ hook }) => hook ?? []);
  const missing = ["output", "forward"].filter((hook) => !egress.includes(hook));
  if (bots.length > 0 && missing.length > 0) {
    problems.push(
      problem("nft clawdlets-egress", `has no chain for ${missing.join(" and ")}, so bots may reach everything.`),
    );
  }
  if (sshExposure === "tailnet" && hasTailnet(settings)) {
    const open = ofKind<Rule>(nft, "rule").filter(
      (rule) => drops.some(({ table }) => table === rule.table) && opensSsh(rule),
    );
    for (const { table, chain } of open) {
      problems.push(problem(`nft ${safeText(table, 60)} ${safeText(chain, 60)}`, "accepts TCP/22 on every interface."));
    }
  }
  return problems;
}

/** A rule that accepts TCP/22, or everything, without naming an interface, an address or a connection's state. */
function opensSsh({ expr }: Rule): boolean {
  if (!expr.some((each) => has(each, "accept"))) return false;
  const matches = expr.flatMap((each) => (has(each, "match") ? [(each as { match: Match }).match] : []));
  const isPort = ({ left }: Match) => payloadOf(left)?.field === "dport";
  const isProtocol = ({ left }: Match) => metaOf(left) === "l4proto";
  if (matches.some((each) => !isPort(each) && !isProtocol(each))) return false;
  if (matches.some((each) => isProtocol(each) && !valuesOf(each.right).includes("tcp"))) return false;
  const ports = matches.filter(isPort);
  return ports.every(({ left, right }) => payloadOf(left)?.protocol !== "udp" && valuesOf(right).some(holds22));
}

interface Match {
  left: unknown;
  right: unknown;
}
const has = (value: unknown, key: string): boolean => typeof value === "object" && value !== null && key in value;
const payloadOf = (left: unknown) =>
  has(left, "payload") ? (left as { payload: { protocol?: string; field?: string } }).payload : undefined;
const metaOf = (left: unknown) => (has(left, "meta") ? (left as { meta: { key?: string } }).meta.key : undefined);
const valuesOf = (right: unknown): unknown[] => {
  if (!has(right, "set")) return [right];
  const { set } = right as { set: unknown };
  return Array.isArray(set) ? set : [set];
};
function holds22(value: unknown): boolean {
  if (!has(value, "range")) return value === 22 || value === "ssh";
  const [first, last] = (value as { range: [number, number] }).range;
  return first <= 22 && last >= 22;
}
