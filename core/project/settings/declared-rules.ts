import { problemSentence } from "../../base/problem.ts";
import { problemsOf } from "../../base/problems.ts";
import { cidrProblem } from "../firewall/cidr.ts";
import { type InboundRule, inboundRules } from "../firewall/firewall-rules.ts";
import { type FirewallRule, worldOpenSshReason } from "../firewall/opens-ssh.ts";
import type { SshExposure } from "./stack-config.ts";

/** A rule as it was declared, in plain values, for whoever has to compare it with what is there. */
export interface DeclaredRule {
  /** Outbound, Hetzner's firewalls let everything through. */
  direction: "in";
  /** As Hetzner names it. */
  protocol: FirewallRule["protocol"];
  /** One, a range `"8000-8100"`, or `"any"`; TCP and UDP only. */
  port?: string;
  /** Networks with prefix, e.g. `["0.0.0.0/0", "::/0"]` for everybody. */
  sourceIps: string[];
}

export interface Declaration {
  host: string;
  sshExposure: SshExposure;
  adminCidrs: readonly string[];
  /** Further rules, unchecked. */
  rules: readonly unknown[];
  /** Typed out by who means it. */
  allowWorldOpenSsh: boolean;
}

/** What is wrong with a declaration: the input as a path, and a sentence. */
export interface DeclarationProblem {
  propertyPath: string;
  reason: string;
}

/**
 * Ping, always. Not only to be polite: with hcloud 1.68.0 a firewall whose last rule goes keeps that rule, while the update
 * reports success (hetznercloud/terraform-provider-hcloud#1482). So there is always one rule left that opens nothing.
 */
const ping: DeclaredRule = { direction: "in", protocol: "icmp", sourceIps: ["0.0.0.0/0", "::/0"] };

const ssh = (sourceIps: readonly string[]): DeclaredRule => {
  return { direction: "in", protocol: "tcp", port: "22", sourceIps: [...sourceIps] };
};

/** The rules of a host at rest, never none; each with a description for the console. Checked by {@link declarationProblems}. */
export function declaredRules({
  sshExposure,
  adminCidrs,
  rules,
}: Pick<Declaration, "sshExposure" | "adminCidrs"> & { rules: readonly InboundRule[] }): {
  rule: DeclaredRule;
  description: string;
}[] {
  return [
    { rule: ping, description: "ping" },
    ...(sshExposure === "public" ? [{ rule: ssh(adminCidrs), description: "ssh from the admin networks" }] : []),
    ...rules.map(({ description = "declared by the stack", ...rule }) => ({
      rule: { direction: "in" as const, ...rule },
      description,
    })),
  ];
}

/** Everything that is wrong with a declaration, on its own and in sum. Nothing of it may be written to a firewall. */
export function declarationProblems(declaration: Declaration): DeclarationProblem[] {
  const parsed = inboundRules.safeParse(declaration.rules);
  const rules = parsed.error
    ? problemsOf(parsed.error, declaration.rules, {
        where: "",
        known: ["protocol", "port", "sourceIps", "description"],
      })
    : [];
  const found = [
    ...adminProblems(declaration),
    ...rules.map(({ setting, ...said }) => {
      // Pulumi shows a path as it is typed in a program: rules[1].port.
      const propertyPath = setting === undefined ? "rules" : `rules.${setting}`.replace(/\.(\d+)(?=\.|$)/g, "[$1]");
      return { propertyPath, reason: `${propertyPath}: ${problemSentence(said)}` };
    }),
  ];
  if (found.length > 0 || !parsed.data) return found;
  return worldProblems({ ...declaration, rules: parsed.data });
}

function adminProblems({ sshExposure, adminCidrs }: Declaration): DeclarationProblem[] {
  const propertyPath = "adminCidrs";
  if (sshExposure === "public" && adminCidrs.length === 0) {
    return [{ propertyPath, reason: `sshExposure is "public", but adminCidrs names nobody. ${next}` }];
  }
  if (sshExposure === "tailnet") return []; // Not used, and perhaps not there.
  return adminCidrs.flatMap((cidr, index) => {
    const problem = cidrProblem(cidr);
    return problem ? [{ propertyPath: `${propertyPath}[${index}]`, reason: `adminCidrs: ${problem}.` }] : [];
  });
}

const next = 'Give your own address, e.g. 203.0.113.7/32, or set sshExposure to "tailnet".';

/** What opens TCP/22 to the world by the sum of all rules, a window that is kept open included. */
export function worldOpenOf(
  declaration: Pick<Declaration, "sshExposure" | "adminCidrs"> & { rules: readonly InboundRule[] },
): string | undefined {
  const window = declaration.sshExposure === "bootstrap" ? [ssh(declaration.adminCidrs)] : [];
  const all = [...declaredRules(declaration).map(({ rule }) => rule), ...window];
  return worldOpenSshReason(all.map(({ sourceIps, ...rule }) => ({ ...rule, source_ips: sourceIps })));
}

function worldProblems(
  declaration: Omit<Declaration, "rules"> & { rules: readonly InboundRule[] },
): DeclarationProblem[] {
  if (declaration.allowWorldOpenSsh) return [];
  const sum = worldOpenOf(declaration);
  if (sum === undefined) return [];
  const alone = worldOpenOf({ ...declaration, rules: [] });
  if (alone !== undefined) {
    const all = declaration.adminCidrs.join(" and ");
    return [{ propertyPath: "adminCidrs", reason: `adminCidrs ${alone}: ${all}. ${next}` }];
  }
  // Named is the rule with which the sum goes over.
  const index = declaration.rules.findIndex((_, at) =>
    worldOpenOf({ ...declaration, rules: declaration.rules.slice(0, at + 1) }),
  );
  return [
    {
      propertyPath: `rules[${index}]`,
      reason: `rules[${index}] opens TCP/22 to the world: what reaches it in all ${sum}. Give ports without 22, or narrower sourceIps. If the world really is to reach sshd: allowWorldOpenSsh: true.`,
    },
  ];
}
