import type { Problem } from "../../../base/problem.ts";
import type { HostSettings } from "../../../project/settings/host.ts";

/** Of a host, as far as findings depend on it. */
export type Settings = Pick<HostSettings, "host" | "sshExposure" | "tailnet" | "bots" | "firewallRules">;

export const rebuildFix = (host: string) =>
  `Bring back what is declared: clawdlets rebuild --host ${host}; if it is declared, fix the host's NixOS configuration.`;

export const notSaid = (host: string, program: string): Problem => ({
  code: "not-checked",
  subject: host,
  setting: program,
  problem: "the host could not ask it.",
});
