import { containsCidr, normalizeCidr } from "cidr-tools";
import { answerOf, type Hetzner } from "../../base/hetzner/client.ts";
import { allFirewalls } from "../../base/hetzner/pages.ts";
import { addressesOf } from "../../base/hetzner/public-addresses.ts";
import { opensSsh } from "../../project/firewall/opens-ssh.ts";
import { windowLabel } from "../window/window.ts";
import type { Expected, LockdownFacts } from "./facts.ts";

type Rule = LockdownFacts["rules"][number];
type Firewall = Awaited<ReturnType<typeof allFirewalls>>[number];

/** The firewalls of one server according to the API, compared with what is expected. */
export interface FirewallsSeen {
  /** Server status reported by Hetzner: `running`, `off`, … */
  status: string;
  /** Its public addresses. @see addressesOf */
  addresses: string[];
  /** Inbound rules in force, over all firewalls on the server. */
  rules: number;
  /** True if TCP/22 may be reachable: as declared, or through a window that is kept open on purpose. */
  mayBeOpen: boolean;
  /** What opens more than is declared, or could. */
  wrong: string[];
  /** Declared rules that are not in force; their absence opens nothing. */
  differs: string[];
  /** Why this result is not conclusive. */
  unproven: string[];
  warnings: string[];
  /** Hetzner is still applying a rule or a firewall: check again. */
  pending: boolean;
}

interface Look {
  host: string;
  expected: Expected;
  /** Networks that a window that is kept open may let in; undefined if unknown. */
  adminCidrs: readonly string[] | undefined;
}

/** Reads and compares a server's firewalls. Two requests; more only in projects with more than fifty firewalls. Changes nothing. */
export async function lookAtFirewalls(hetzner: Hetzner, look: Look): Promise<FirewallsSeen> {
  const { expected } = look;
  const path = { id: expected.serverId };
  const [{ server }, firewalls] = await Promise.all([
    answerOf("read the server", hetzner.GET("/servers/{id}", { params: { path } })),
    allFirewalls(hetzner, "list the firewalls"),
  ]);
  const bindings = server?.public_net.firewalls ?? [];
  const attached = bindings.flatMap(({ id }) => firewalls.find((each) => each.id === id) ?? []);
  const own = attached.find(({ id }) => id === expected.firewallId);
  const others = attached.filter((each) => each !== own && !isDeclaredUnknown(look, each));
  const judged = others.map((firewall) => judgeOther(look, firewall));
  const stray = firewalls.filter((each) => isWindowOf(look, each) && !attached.includes(each) && isOpen(each));
  const pending = bindings.some(({ status }) => status !== "applied");
  const declared = expected.rules ?? [];
  return {
    status: server?.status ?? "unknown",
    addresses: server ? addressesOf(server) : [],
    rules: attached.reduce((sum, { rules }) => sum + rules.filter(({ direction }) => direction === "in").length, 0),
    mayBeOpen: declared.some(inApiShape(opensSsh)) || judged.some(({ keptOpen }) => keptOpen),
    wrong: [
      ...(bindings.length === 0 ? ["the server has no firewall: every port is open to the internet"] : []),
      ...ownProblems(expected, own),
      ...attached.filter((each) => each !== own && isDeclaredUnknown(look, each)).flatMap(opensAnything),
      ...judged.flatMap(({ wrong }) => wrong),
    ],
    differs: missingRules(expected, own),
    unproven: [
      ...bindings
        .filter(({ status }) => status !== "applied")
        .map(({ id, status }) => `the firewall ${id} is ${status} on the server, not applied`),
    ],
    warnings: [
      ...judged.flatMap(({ warnings }) => warnings),
      ...stray.map(
        ({ id, name }) => `the open window "${name}" (${id}) is not attached to any server, so it lets nobody in`,
      ),
    ],
    pending,
  };
}

/** Without a stack file and a state, our labels tell which firewall is the declared one. */
function isDeclaredUnknown({ host, expected }: Look, { labels }: Firewall): boolean {
  return expected.firewallId === undefined && labels?.["clawdlets-host"] === host;
}

function opensAnything({ id, name, rules }: Firewall): string[] {
  return rules
    .filter((rule) => opensSsh(rule))
    .map((rule) => `a rule of the firewall "${name}" (${id}) opens TCP/22: ${inWords(plain(rule))}`);
}

function ownProblems({ firewallId, rules }: Expected, own: Firewall | undefined): string[] {
  if (firewallId === undefined) return [];
  if (!own) return [`the declared firewall ${firewallId} is not on the server`];
  if (rules === undefined) return opensAnything(own);
  const found = own.rules.map(plain);
  const wanted = new Set(rules.map(inWords));
  return found
    .filter((each) => !wanted.has(inWords(each)))
    .map((each) => {
      const open = inApiShape(opensSsh)(each) ? " (opens TCP/22)" : "";
      return `an undeclared rule: ${inWords(each)}${open}`;
    });
}

function missingRules({ firewallId, rules = [] }: Expected, own: Firewall | undefined): string[] {
  if (firewallId === undefined || !own) return [];
  const present = new Set(own.rules.map(plain).map(inWords));
  const missing = [...new Set(rules.map(inWords))].filter((each) => !present.has(each));
  return missing.map((each) => `a declared rule is missing: ${each}`);
}

interface Judged {
  wrong: string[];
  warnings: string[];
  keptOpen: boolean;
}

function judgeOther(look: Look, firewall: Firewall): Judged {
  const { id, name, rules } = firewall;
  const what = isWindowOf(look, firewall) ? "a bootstrap window" : "another firewall";
  const wrong = (text: string): Judged => ({ wrong: [text], warnings: [], keptOpen: false });
  const opening = rules.some((rule) => opensSsh(rule));
  if (!isWindowOf(look, firewall)) {
    return wrong(`${what} is on the server: "${name}" (${id})${opening ? ", which opens TCP/22" : ""}`);
  }
  const close = `clawdlets lockdown --host ${look.host}`;
  // Without rules it is closed. Hetzner may refuse to detach it for a while.
  if (!isOpen(firewall)) {
    const text = `an emptied window "${name}" (${id}) is still on the server; it opens nothing. The next run removes it, or: ${close}`;
    return { wrong: [], warnings: [text], keptOpen: false };
  }
  if (look.expected.sshExposure !== "bootstrap") return wrong(`${what} is open on the server: "${name}" (${id})`);
  const beyond = rules.filter((rule) => !isOfWindow(rule, look.adminCidrs)).map((rule) => inWords(plain(rule)));
  if (beyond.length > 0)
    return wrong(`${what} "${name}" (${id}) lets in more than ssh from the admin networks: ${beyond.join("; ")}`);
  const text = `TCP/22 IS OPEN to ${rules.flatMap(({ source_ips }) => source_ips).join(", ")} by the window "${name}" (${id}), as sshExposure "bootstrap" requests. Close it: ${close}`;
  return { wrong: [], warnings: [text], keptOpen: true };
}

function isOfWindow(rule: Firewall["rules"][number], adminCidrs: readonly string[] | undefined): boolean {
  if (rule.direction !== "in" || rule.protocol !== "tcp" || rule.port !== "22") return false;
  return adminCidrs === undefined || containsCidr([...adminCidrs], rule.source_ips ?? []);
}

const isWindowOf = ({ host }: Look, { labels }: Firewall) => labels?.[windowLabel] === host;
const isOpen = ({ rules }: Firewall) => rules.some(({ direction }) => direction === "in");

/** Converts a rule from the API's format to the declared one. */
export function plain(rule: Firewall["rules"][number]): Rule {
  const { direction, protocol, port, source_ips } = rule;
  return { direction, protocol, ...(port && { port }), sourceIps: source_ips ?? [] };
}

const inApiShape =
  (judge: typeof opensSsh) =>
  ({ sourceIps, ...rule }: Rule): boolean =>
    judge({ ...rule, source_ips: sourceIps });

/** Rules compare as sets: Hetzner writes IPv6 canonically and may change the order (jkreileder/cf-ips-to-hcloud-fw PR 1274). */
export function inWords({ direction, protocol, port, sourceIps }: Rule): string {
  const from = sourceIps.map((cidr) => normalizeCidr(cidr, { hexify: true })).sort();
  return `${direction} ${protocol}${port === undefined ? "" : `/${port}`} from ${from.join(", ") || "nobody"}`;
}
