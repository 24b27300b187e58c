import * as pulumi from "@pulumi/pulumi";
import type { GroupSettings } from "../core/tasks/groups/load.ts";
import type { HostGroupArgs } from "./host-group.ts";
import { withoutStack } from "./internal/run-error.ts";
import type { LoadHostOptions } from "./load-host.ts";

export type { GroupSettings } from "../core/tasks/groups/load.ts";

/** Size and life of a group, and where to read its settings. */
export interface LoadGroupOptions extends GroupSettings, LoadHostOptions {}

/**
 * Loads a {@link HostGroup}: the settings of the host that its hosts are like, and which hosts it has, from
 * `stacks/groups/<group>.json`. An update writes that file, and makes the files of new hosts as `clawdlets init` does. Hosts past their
 * time to live are left out, so the update destroys them. Notes go to Pulumi's log.
 * @throws pulumi.RunError with all problems at once, before anything is registered
 */
export async function loadGroup(group: string, options: LoadGroupOptions): Promise<HostGroupArgs> {
  // In JavaScript, they may be missing.
  const { folder = process.cwd(), environment = process.env, ...settings } = { ...options };
  // Loaded lazily, as by loadHost.
  const { loadGroupProgram } = await import("../core/tasks/groups/load.ts");
  const stack = pulumi.getStack();
  const dryRun = pulumi.runtime.isDryRun();
  const context = { group, settings, stack, folder, environment, dryRun, now: new Date() };
  const { members, make, notes } = await loadGroupProgram(context).catch(withoutStack);
  for (const note of notes) await pulumi.log.info(note);
  return {
    group,
    members: await Promise.all(
      members.map(async ({ slot, program }) => ({ slot, ...(program && { host: await told(program) }) })),
    ),
    make: async (slot, name) => {
      const program = await make(slot, name).catch(withoutStack);
      await pulumi.log.info(`${group}: ${name} has its keys. Commit stacks/, which is public`);
      return told(program);
    },
  };
}

async function told<T extends { warnings?: string[] }>({ warnings = [], ...args }: T): Promise<Omit<T, "warnings">> {
  for (const warning of warnings) await pulumi.log.warn(warning);
  return args;
}
