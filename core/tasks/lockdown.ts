import { exitCodes } from "../base/exit-codes.ts";
import { type Problem, problemSentence } from "../base/problem.ts";
import { asUserError } from "../base/system-errors.ts";
import { inForceFindings } from "../host/facts/in-force/findings.ts";
import { type InForce, readInForce } from "../host/facts/in-force/read.ts";
import type { Verified, VerifyRequest } from "../host/lockdown/verify.ts";
import { findRoute, reasonOf } from "../host/reach/route.ts";
import { ssh } from "../host/reach/ssh.ts";
import { type HostSettings, loadHost } from "../project/settings/host.ts";

/** What the host says is in force, or why it was not asked. */
type Asked = { seen: InForce } | { notAsked: string };

/**
 * Adds the host's own half to a check of Hetzner's: who may log in by its sshd, what its firewall lets in, and what listens there.
 * What it cannot be asked is a warning, since closing needs nothing of the host. Changes nothing.
 */
export async function withHostHalf(
  verified: Verified,
  request: VerifyRequest,
  ask: (settings: HostSettings) => Promise<Asked> = (settings) => askHost(request, settings),
): Promise<Verified> {
  // What is open at Hetzner comes first; and nobody is asked about a host that does not exist.
  if (!verified.ok || !verified.seen) return verified;
  const { layout, host, environment, signal } = request;
  const warned = (why: string): Verified => {
    return { ...verified, warnings: [...verified.warnings, `not checked on the host: ${why}`] };
  };
  try {
    const { settings } = loadHost(layout, host, environment, { token: false });
    const asked = await ask(settings);
    if ("notAsked" in asked) return warned(asked.notAsked);
    const { sshd, firewall, sockets } = inForceFindings(asked.seen, settings);
    const problems: Problem[] = [...sshd, ...firewall, ...sockets];
    if (problems.length === 0) return { ...verified, onHost: "as declared" };
    const wrong = [...verified.wrong, ...problems.map((each) => `${each.setting}: ${problemSentence(each)}`)];
    return { ...verified, ok: false, exitCode: exitCodes.failed, onHost: "differs", wrong, problems };
  } catch (error) {
    signal.throwIfAborted();
    const known = asUserError(error);
    if (!known) throw error;
    return warned(known.message.split("\n").join(" "));
  }
}

async function askHost({ layout, host, environment, signal }: VerifyRequest, settings: HostSettings): Promise<Asked> {
  const { local } = loadHost(layout, host, environment, { token: false });
  const found = await findRoute({ layout, settings, local, signal });
  const { route } = found;
  if (!route) return { notAsked: reasonOf(host, found).problem };
  return { seen: await readInForce(host, (command) => ssh(route, command, { timeoutSeconds: 60, signal })) };
}
