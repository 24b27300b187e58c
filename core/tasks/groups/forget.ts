import { existsSync } from "node:fs";
import { join } from "node:path";
import { UserError } from "../../base/errors.ts";
import { exitCodes } from "../../base/exit-codes.ts";
import { createHetzner } from "../../base/hetzner/client.ts";
import { selectorOf } from "../../base/hetzner/labels.ts";
import { allServers } from "../../base/hetzner/pages.ts";
import type { Environment } from "../../base/machine/environment.ts";
import {
  movePrivateFile,
  readPublicFile,
  removePrivateFile,
  writePrivateFile,
} from "../../base/machine/private-files.ts";
import { waitUntil } from "../../base/wait-until.ts";
import { removeHostKey } from "../../host/reach/known-hosts.ts";
import { leaveTailnet } from "../../host/tailnet/leave.ts";
import { closeAndProve, closingWork } from "../../host/window/close-and-prove.ts";
import { hasOutlived } from "../../project/groups/plan.ts";
import { changeRoster, rosterWith } from "../../project/groups/roster.ts";
import { goneFolderOf, hostLayoutOf, type Layout } from "../../project/layout.ts";
import { asOnlyWriter } from "../../project/project-lock.ts";
import { type Access, readAccess } from "../../project/settings/access.ts";
import { loadHost } from "../../project/settings/host.ts";
import { hostEntry, readStackJson } from "../../project/settings/stack-json/stack-json.ts";

export interface Forgetting {
  layout: Layout;
  host: string;
  environment: Environment;
  tell: (text: string) => void;
  now: Date;
}

/**
 * Cleans up after a host of a group whose server is gone: closes windows that it left, removes its device from the tailnet, and moves
 * its keys, secrets and stack file to `.clawdlets/gone/<host>`, as `destroy` keeps them too. Does nothing the second time, and finishes
 * what a killed run began.
 * @throws UserError if the host is in no group, or Hetzner still has its server: nothing is moved then
 */
export async function forgetMember({ layout, host, environment, tell, now }: Forgetting): Promise<void> {
  const roster = rosterWith(layout, host);
  if (!roster) {
    if (!existsSync(hostLayoutOf(layout, host).stackFile)) return;
    const problem = "it is in no group. Its files are kept.";
    throw new UserError({ code: "no-such-host", subject: host, problem }, { exitCode: exitCodes.settings });
  }
  const access = readAccess(layout, host, environment);
  await waitUntilGone(access, host);
  const { hetzner, ...work } = closingWork(access, host);
  await closeAndProve(hetzner, { host, sshPort: access.sshPort, ...work });
  const files = hostLayoutOf(layout, host);
  const stack = readStackJson(layout).value;
  const hasSettings = existsSync(files.stackFile) && stack !== undefined && hostEntry(stack, host) !== undefined;
  if (hasSettings) {
    const { local } = loadHost(layout, host, environment);
    await leaveTailnet({ files, local, host, tell });
  }
  await asOnlyWriter(layout, async () => {
    // Not before: a file that is gone when the lock is taken counts as lost.
    if (hasSettings) await removePrivateFile(files.journal);
    await archive(layout, host);
  });
  await changeRoster(layout, roster.group, (before) => {
    if (!before) return undefined;
    const member = before.members.find(({ name }) => name === host);
    const isSpent = member !== undefined && hasOutlived(member, before.ttlMinutes, now);
    const members = before.members.filter(({ name }) => name !== host);
    return { ...before, members, outlived: [...before.outlived, ...(isSpent ? [host] : [])] };
  });
  tell(`${host}: left the group ${roster.group}; its keys and secrets are kept in .clawdlets/gone/${host}`);
}

/** Hetzner lists a server for a moment after it has accepted to delete it. */
async function waitUntilGone(access: Access, host: string): Promise<void> {
  const hetzner = createHetzner(access);
  await waitUntil(
    async () => {
      const servers = await allServers(hetzner, "list the host's servers", selectorOf(host));
      return servers.length === 0 ? true : undefined;
    },
    {
      seconds: 60,
      pauseMs: 500,
      longestPauseMs: 5000,
      waitedFor: `${host}: Hetzner did not delete the server`,
      advice: "Its keys and secrets are kept. Run the same command again.",
    },
  );
}

/** An earlier host may have had the same name. */
const free = (path: string): string => (existsSync(path) ? free(`${path}.new`) : path);

/** In an order in which a killed run can be finished: the stack file goes last of what is moved. */
async function archive(layout: Layout, host: string): Promise<void> {
  const files = hostLayoutOf(layout, host);
  const gone = goneFolderOf(layout, host);
  await removeHostKey(layout.knownHosts, host);
  const moves = [
    [files.secrets, join(gone, "secrets")],
    [files.identity, join(gone, "identity.agekey")],
    [files.recipient, join(gone, "identity.age.pub")],
    [files.dir, join(gone, "host")],
  ] as const;
  for (const [from, to] of moves) if (existsSync(from)) await movePrivateFile(from, free(to));
  const text = readPublicFile(files.stackFile);
  if (text !== undefined) {
    // Public where it was; here, files that others can read are refused.
    await writePrivateFile(join(gone, `Pulumi.${host}.yaml`), text);
    await removePrivateFile(files.stackFile);
  }
  const { value } = readStackJson(layout);
  if (!value || !hostEntry(value, host)) return;
  const { [host]: _, ...hosts } = value.hosts;
  await writePrivateFile(layout.stackJson, `${JSON.stringify({ ...value, hosts }, null, 2)}\n`);
}
