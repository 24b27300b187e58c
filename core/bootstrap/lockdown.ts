import { normalizeCidr } from "cidr-tools";
import { z } from "zod";
import { UserError } from "../errors.ts";
import { exitCodes } from "../exit-codes.ts";
import { answerOf, createHetzner, type Hetzner } from "../hetzner/client.ts";
import { confirmTailnet } from "./confirm.ts";
import { opensSsh } from "./opens-ssh.ts";
import { isClosed, type PortSeen, probePort } from "./probe.ts";
import type { InstallRequest } from "./request.ts";

/** What the stack declares to be true of a server's firewall at rest. */
export const lockdownFacts = z.object({
  serverId: z.number(),
  address: z.string(),
  installId: z.string(),
  firewallId: z.number(),
  rules: z.array(
    z.object({
      direction: z.enum(["in", "out"]),
      protocol: z.enum(["tcp", "udp", "icmp", "esp", "gre"]),
      port: z.string().optional(),
      sourceIps: z.array(z.string()),
    }),
  ),
});

export type LockdownFacts = z.infer<typeof lockdownFacts>;

export interface LockdownRequest extends Omit<InstallRequest, "facts"> {
  facts: LockdownFacts;
}

/** What was looked at, for people and machines. */
export interface LockdownSeen {
  /** Inbound rules in force, as the API says. */
  rules: number;
  /** What connecting to TCP/22 from here showed, each try. */
  port: PortSeen[];
  tailnet: "answers" | "not asked for";
}

/**
 * Proves that a server is locked down. Believes the API and a connection attempt, never the engine: a provider can report a
 * successful update that left port 22 open (hetznercloud/terraform-provider-hcloud#1482). Changes nothing.
 * @throws UserError with everything that is not as declared
 */
export async function proveLockdown(request: LockdownRequest): Promise<LockdownSeen> {
  const { settings, local, facts, report } = request;
  const hetzner = createHetzner({ endpoint: local.endpoint, token: local.token });
  const tailnet = settings.tailnet === "tailscale" ? "answers" : "not asked for";
  const [attached, rules, port] = await Promise.all([
    attachedFirewalls(hetzner, facts),
    compareRules(hetzner, facts),
    tryPort(facts.address, local.sshPort),
    tailnet === "answers" ? confirmTailnet(request) : undefined,
  ]);
  const closed =
    settings.sshExposure === "public" || port.every(isClosed)
      ? []
      : [`TCP/22 of ${facts.address} is ${port.join(", ")} from here`];
  const wrong = [...attached, ...rules, ...closed];
  if (wrong.length > 0) {
    throw new UserError(
      `${settings.host}: not locked down. Run clawdlets up; if this stays, look at the server's firewalls in the Hetzner console.`,
      {
        exitCode: exitCodes.open,
        details: wrong,
      },
    );
  }
  report(
    "close",
    `locked down: ${facts.rules.length} rules as declared, TCP/22 is ${port.join(", ")}, tailnet ${tailnet}`,
  );
  return { rules: facts.rules.length, port, tailnet };
}

async function attachedFirewalls(hetzner: Hetzner, { serverId, firewallId }: LockdownFacts): Promise<string[]> {
  const { server } = await answerOf(
    "look at the server",
    hetzner.GET("/servers/{id}", { params: { path: { id: serverId } } }),
  );
  const attached = server?.public_net.firewalls ?? [];
  const own = attached.find(({ id }) => id === firewallId);
  const others = attached
    .filter(({ id }) => id !== firewallId)
    .map(({ id }) => `another firewall is on the server: ${id}`);
  if (own?.status === "applied") return others;
  return [...others, `the declared firewall ${firewallId} is ${own ? (own.status ?? "unknown") : "not"} on the server`];
}

async function compareRules(hetzner: Hetzner, { firewallId, rules }: LockdownFacts): Promise<string[]> {
  const { firewall } = await answerOf(
    "look at the firewall",
    hetzner.GET("/firewalls/{id}", { params: { path: { id: firewallId } } }),
  );
  const found = (firewall?.rules ?? []).map((rule) => ({
    direction: rule.direction,
    protocol: rule.protocol,
    ...(rule.port && { port: rule.port }),
    sourceIps: rule.source_ips ?? [],
  }));
  const wanted = new Set(rules.map(inWords));
  const present = new Set(found.map(inWords));
  return [
    ...found
      .filter((rule) => !wanted.has(inWords(rule)))
      .map((rule) => {
        const open = opensSsh({ ...rule, source_ips: rule.sourceIps }) ? " (opens TCP/22)" : "";
        return `a rule nobody declared: ${inWords(rule)}${open}`;
      }),
    ...[...wanted].filter((rule) => !present.has(rule)).map((rule) => `a declared rule is missing: ${rule}`),
  ];
}

/** Rules compare as sets: Hetzner writes IPv6 canonically and may change the order (jkreileder/cf-ips-to-hcloud-fw PR 1274). */
function inWords({ direction, protocol, port, sourceIps }: LockdownFacts["rules"][number]): string {
  const from = sourceIps.map((cidr) => normalizeCidr(cidr)).sort();
  return `${direction} ${protocol}${port === undefined ? "" : `/${port}`} from ${from.join(", ") || "nobody"}`;
}

async function tryPort(address: string, port: number): Promise<PortSeen[]> {
  const first = await probePort(address, port, { timeoutMs: 2000 });
  return [first, await probePort(address, port, { timeoutMs: 2000 })];
}
