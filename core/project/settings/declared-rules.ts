import { problemSentence } from "../../base/problem.ts";
import { problemsOf } from "../../base/problems.ts";
import { cidrProblem } from "../firewall/cidr.ts";
import { type InboundRule, inboundRules } from "../firewall/firewall-rules.ts";
import { type FirewallRule, worldOpenSshReason } from "../firewall/opens-ssh.ts";
import type { SshExposure } from "./stack-config/stack-config.ts";

/** A declared firewall rule in plain values, for comparing it with the rules in force. */
export interface DeclaredRule {
  /** Inbound only: without outbound rules, Hetzner's firewalls allow all outbound traffic. */
  direction: "in";
  /** Hetzner's name for it. */
  protocol: FirewallRule["protocol"];
  /** One port, a range `"8000-8100"`, or `"any"`; TCP and UDP only. */
  port?: string;
  /** Networks with prefix, e.g. `["0.0.0.0/0", "::/0"]` for everyone. */
  sourceIps: string[];
}

export interface Declaration {
  host: string;
  sshExposure: SshExposure;
  adminCidrs: readonly string[];
  /** Further rules, not yet checked. */
  rules: readonly unknown[];
  /** Has to be set explicitly. */
  allowWorldOpenSsh: boolean;
}

/** A problem with a declaration: the path of the input, and a sentence. */
export interface DeclarationProblem {
  propertyPath: string;
  reason: string;
}

/**
 * Every firewall allows ping, so that it never becomes empty: with hcloud 1.68.0, removing the last rule of a firewall leaves that
 * rule in force, although the update reports success (hetznercloud/terraform-provider-hcloud#1482).
 */
const ping: DeclaredRule = { direction: "in", protocol: "icmp", sourceIps: ["0.0.0.0/0", "::/0"] };

const ssh = (sourceIps: readonly string[]): DeclaredRule => {
  return { direction: "in", protocol: "tcp", port: "22", sourceIps: [...sourceIps] };
};

/** The rules of a host when nothing is being installed; never empty. Each has a description for the console. Checked by {@link declarationProblems}. */
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

/** All problems of a declaration, of each rule alone and of all together. With any problem, nothing may be written to a firewall. */
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
      // Pulumi's property paths use brackets for indexes: rules[1].port.
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
    return [{ propertyPath, reason: `sshExposure is "public", but adminCidrs is empty. ${next}` }];
  }
  if (sshExposure === "tailnet") return []; // Not used, and may be missing.
  return adminCidrs.flatMap((cidr, index) => {
    const problem = cidrProblem(cidr);
    return problem ? [{ propertyPath: `${propertyPath}[${index}]`, reason: `adminCidrs: ${problem}.` }] : [];
  });
}

const next = 'Use your own address, e.g. 203.0.113.7/32, or set sshExposure to "tailnet".';

/** Says why all rules together open TCP/22 to the world, including a window that is kept open; undefined if they do not. */
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
  // Blame the first rule with which the sum exceeds the limit.
  const index = declaration.rules.findIndex((_, at) =>
    worldOpenOf({ ...declaration, rules: declaration.rules.slice(0, at + 1) }),
  );
  return [
    {
      propertyPath: `rules[${index}]`,
      reason: `rules[${index}] opens TCP/22 to the world: all rules together, it ${sum}. Use ports without 22, or narrower sourceIps. If sshd really should be reachable by the world, set allowWorldOpenSsh: true.`,
    },
  ];
}
