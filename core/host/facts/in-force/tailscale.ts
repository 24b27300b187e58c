import type { Problem } from "../../../base/problem.ts";
import { safeText } from "../../../base/wording.ts";
import { notSaid, type Settings } from "./common.ts";
import type { InForce } from "./read.ts";

export function tailscaleProblems(seen: InForce["tailscale"], { host, tailnet }: Settings, now: Date): Problem[] {
  if (tailnet !== "tailscale") return [];
  if (seen === null) return [notSaid(host, "tailscale")];
  const { BackendState, KeyExpiry, Health } = seen;
  const problems: Problem[] = [];
  const setting = "tailscale";
  if (BackendState !== "Running") {
    const fix = `Give it a new auth key: clawdlets secrets edit tailscale_auth_key --host ${host}`;
    const problem = `is ${safeText(BackendState, 40)}, so the tailnet does not reach the host.`;
    problems.push({ code: "no-way-in", subject: host, setting, problem, fix });
  }
  for (const text of Health ?? []) {
    problems.push({ code: "not-locked-down", subject: host, setting, problem: `reports: ${safeText(text, 300)}` });
  }
  const days = KeyExpiry ? (Date.parse(KeyExpiry) - now.getTime()) / 86_400_000 : Number.POSITIVE_INFINITY;
  if (days < 30) {
    const fix = `Turn off key expiry for this machine in the tailnet's admin console, or make the host a new device: clawdlets tailnet rekey --host ${host}`;
    const problem = `its key ${days < 0 ? "has expired" : `expires in ${Math.floor(days)} days`}.`;
    problems.push({ code: "tailnet-expiry", subject: host, setting, problem, fix });
  }
  return problems;
}
