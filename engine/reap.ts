import { z } from "zod";
import { UserError } from "../core/base/errors.ts";
import { exitCodes } from "../core/base/exit-codes.ts";
import type { Environment } from "../core/base/machine/environment.ts";
import type { Layout } from "../core/project/layout.ts";
import { forgetMember } from "../core/tasks/groups/forget.ts";
import type { Outlived } from "../core/tasks/groups/outlived.ts";
import { engineOrSetUp } from "./environment.ts";
import type { Progress } from "./progress/progress.ts";
import { keepState } from "./recovery/good-state.ts";
import { clearDeadLocks } from "./recovery/stack-locks.ts";
import { runEngine } from "./run.ts";
import { openAnyStack } from "./stack.ts";
import { unprotect } from "./unprotect.ts";

export interface ReapRequest {
  layout: Layout;
  found: readonly Outlived[];
  environment: Environment;
  progress: Progress;
}

/**
 * Destroys hosts of groups, and nothing else of their stacks. Each stack's engine deletes them and runs `clawdlets forget` for each, as
 * an update of a smaller group does. What is already gone is only cleaned up.
 * @throws UserError if anything outside the group depends on one of them: nothing is destroyed in that stack then
 */
export async function reap({ layout, found, environment, progress }: ReapRequest): Promise<void> {
  const engine = await engineOrSetUp(progress);
  for (const name of new Set(found.map(({ stack }) => stack))) {
    const here = found.filter(({ stack }) => stack === name);
    const stack = await openAnyStack(layout, name, engine, { tell: progress });
    await clearDeadLocks(layout, name, progress);
    const { deployment } = await stack.exportStack();
    const { resources = [] } = exported.parse(deployment);
    const target = here.flatMap((each) => resourcesOf(each, resources));
    if (target.length > 0) {
      // Of a run that was killed while it lifted a protection. Hosts that the roster protects are not among them.
      const held = target.filter(({ protect }) => protect).map(({ urn }) => urn);
      await unprotect(layout, engine, name, held);
      await runEngine(name, "destroy", progress, (options) =>
        stack.destroy({ ...options, target: target.map(({ urn }) => urn) }),
      );
      await keepState(layout, name);
    }
    // Where a killed run has deleted the resources and not cleaned up; otherwise it does nothing.
    for (const { host } of here) await forgetMember({ layout, host, environment, tell: progress, now: new Date() });
  }
}

const resource = z.looseObject({
  urn: z.string(),
  parent: z.string().optional(),
  protect: z.boolean().optional(),
  dependencies: z.array(z.string()).nullish(),
});
const exported = z.looseObject({ resources: z.array(resource).optional() });
type Resource = z.infer<typeof resource>;

/**
 * A host's resources in a state, with what depends on them, such as its place in a private network.
 * @throws UserError if another host depends on it
 */
export function resourcesOf({ group, slot, host }: Outlived, resources: readonly Resource[]): Resource[] {
  const ends = [
    `random:index/randomPet:RandomPet::${group}-${slot}`,
    `command:local:Command::${group}-${slot}-leaving`,
  ];
  const own = new Set(
    resources.filter(({ urn }) => ends.some((end) => urn.endsWith(`HostGroup$${end}`))).map(({ urn }) => urn),
  );
  for (let before = -1; before < own.size; ) {
    before = own.size;
    for (const { urn, parent, dependencies } of resources)
      if ([parent, ...(dependencies ?? [])].some((each) => each !== undefined && own.has(each))) own.add(urn);
  }
  const all = resources.filter(({ urn }) => own.has(urn));
  const other = all.find(({ urn }) => /:index:Host::/.test(urn) && !urn.endsWith(`::${host}`));
  if (other === undefined) return all;
  const name = other.urn.split("::").at(-1);
  const problem = `not destroyed: ${name} depends on it in the program.`;
  throw new UserError(
    {
      code: "failed",
      subject: host,
      problem,
      fix: `Remove the dependency of ${name}, run an update, then reap again.`,
    },
    { exitCode: exitCodes.settings },
  );
}
