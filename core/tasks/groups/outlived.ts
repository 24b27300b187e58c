import { join } from "node:path";
import { SettingsError, UserError } from "../../base/errors.ts";
import { exitCodes } from "../../base/exit-codes.ts";
import type { Environment } from "../../base/machine/environment.ts";
import { readFolder } from "../../base/machine/private-files.ts";
import { didYouMean } from "../../base/nearest.ts";
import { readText } from "../../base/text/read-text.ts";
import { quoted } from "../../base/wording.ts";
import { linesOf, retryLeft } from "../../host/tailnet/leave.ts";
import { isNothing, readLeft } from "../../host/tailnet/left.ts";
import { hasOutlived } from "../../project/groups/plan.ts";
import { listRosters, readRoster } from "../../project/groups/roster.ts";
import { expiresAt } from "../../project/groups/ttl.ts";
import { goneFolderOf, type Layout } from "../../project/layout.ts";
import { readEnvFile } from "../../project/settings/env-file.ts";
import { completeSettings, credentialsFor } from "../../project/settings/host.ts";
import { checkStackConfig } from "../../project/settings/stack-config/check.ts";
import { stackTextSettings } from "../../project/settings/stack-file.ts";
import { readStackJson } from "../../project/settings/stack-json/stack-json.ts";

/** A host that has outlived its time. */
export interface Outlived {
  group: string;
  host: string;
  /** The stack that has the group. */
  stack: string;
  slot: number;
  /** ISO 8601, UTC. */
  createdAt: string;
  expiredAt: string;
}

/**
 * Lists the hosts that have outlived their time, by group and age. Reads files only.
 * @param only this group. @default all
 * @throws SettingsError if the group does not exist, or a roster is invalid
 */
export function findOutlived(layout: Layout, now: Date, only?: string): Outlived[] {
  const known = listRosters(layout);
  if (only !== undefined && !known.includes(only)) {
    const problem = `${quoted(only)} is not a group of this project${didYouMean(only, known)}; it has ${known.join(", ") || "none"}.`;
    throw new SettingsError([{ code: "no-such-host", subject: "the command line", setting: "--group", problem }]);
  }
  return (only === undefined ? known : [only]).flatMap((group) => {
    const roster = readRoster(layout, group);
    return (roster?.members ?? []).flatMap((member): Outlived[] => {
      const { name: host, createdAt, slot } = member;
      const expiredAt = expiresAt(createdAt, roster?.ttlMinutes);
      if (!roster || host === undefined || createdAt === undefined || expiredAt === undefined) return [];
      return hasOutlived(member, roster.ttlMinutes, now)
        ? [{ group, host, stack: roster.stack, slot, createdAt, expiredAt }]
        : [];
    });
  });
}

/** Tries again to delete what hosts that are gone have left in the tailnet, and tells how that went. Asks nobody if nothing is left. */
export async function retryGone(layout: Layout, environment: Environment, tell: (text: string) => void): Promise<void> {
  for (const host of readFolder(join(layout.dir, "gone"))) {
    const gone = goneFolderOf(layout, host);
    const folder = join(gone, "host");
    const files = {
      journal: join(folder, "install.json"),
      tailnetLeft: join(folder, "tailnet-left.json"),
      lock: join(folder, "lock"),
    };
    if (isNothing(readLeft(files.tailnetLeft))) continue;
    const { text = "" } = readText(join(gone, `Pulumi.${host}.yaml`), host);
    const { value } = checkStackConfig(stackTextSettings(text, host).value ?? {}, host);
    const env = readEnvFile(layout, environment, readStackJson(layout).value?.envFile).value;
    const tailnetApi = value && credentialsFor(completeSettings(host, value), env);
    for (const line of linesOf(host, await retryLeft({ files, local: { ...(tailnetApi && { tailnetApi }) }, host })))
      tell(line);
  }
}

/** Without a terminal and without `--yes`, nothing is destroyed. */
export function needsYes(what: string): UserError {
  const problem = "reap wipes the disks of these hosts and asks first, which needs a terminal.";
  return new UserError({ subject: what, problem, fix: "Pass --yes." }, { exitCode: exitCodes.usage });
}
