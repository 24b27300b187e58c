import type { Problem } from "../../../base/problem.ts";
import { safeText } from "../../../base/wording.ts";
import { notSaid, type Settings } from "./common.ts";

/** Who may listen where the network can reach it, besides what `firewallRules` opens: sshd, and what speaks for the machine itself. */
const ownListeners: readonly [protocol: string, port: number | undefined, program: RegExp][] = [
  ["tcp", 22, /^(?:sshd|systemd)$/],
  ["tcp", undefined, /^tailscaled$/],
  ["udp", undefined, /^tailscaled$/],
  ["udp", 68, /^(?:systemd-network|dhcpcd)$/],
  ["udp", 546, /^(?:systemd-network|dhcpcd)$/],
];

export function socketProblems(lines: readonly string[], { host, firewallRules }: Settings): Problem[] {
  if (lines.length === 0) return [notSaid(host, "ss")];
  return lines.flatMap((line): Problem[] => {
    const [protocol = "", , , , local = ""] = line.trim().split(/\s+/);
    const [, address = "", port = ""] = /^(.*):(\d+)$/.exec(local) ?? [];
    const bare = address.replace(/^\[|\]$|%.*$/g, "").replace(/\]$/, "");
    if (/^(?:127\.|::1$|::ffff:127\.)/.test(bare) || /%lo\b/.test(address)) return [];
    const program = /users:\(\("([^"]*)"/.exec(line)?.[1] ?? "unknown";
    const isOwn = ownListeners.some(
      ([proto, own, name]) => proto === protocol && (own === undefined || own === Number(port)) && name.test(program),
    );
    const isDeclared = firewallRules.some(
      (rule) => rule.protocol === protocol && "port" in rule && isIn(rule.port, Number(port)),
    );
    if (isOwn || isDeclared || port === "") return [];
    return [
      {
        code: "not-locked-down",
        subject: host,
        setting: `${protocol}/${port}`,
        problem: `${safeText(program, 60)} listens on ${safeText(address, 60)}, where only the firewall keeps the network out.`,
        fix: "Let it listen on 127.0.0.1, or declare its port in clawdlets:firewallRules.",
      },
    ];
  });
}

/** @param ports `80`, `8000-8100` or `any` */
function isIn(ports: string, port: number): boolean {
  if (ports === "any") return true;
  const [first, last = first] = ports.split("-").map(Number);
  return first !== undefined && last !== undefined && first <= port && port <= last;
}
