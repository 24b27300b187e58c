import { join } from "node:path";
import type { Stack } from "@pulumi/pulumi/automation/index.js";
import { z } from "zod";
import { UserError } from "../core/errors.ts";
import { exitCodes } from "../core/exit-codes.ts";
import { createHetzner } from "../core/hetzner/client.ts";
import { findExisting, isAtHetzner } from "../core/hetzner/existing.ts";
import type { Layout } from "../core/local/layout.ts";
import type { LocalSettings } from "../core/settings/host.ts";
import { configNamespace } from "../core/settings/stack-config.ts";
import { clearDeadLocks, readStateFile } from "./_stack-locks.ts";

const resource = z.looseObject({
  urn: z.string(),
  type: z.string(),
  inputs: z.record(z.string(), z.unknown()).optional(),
});
const deployment = z.looseObject({
  resources: z.array(resource).optional(),
  pending_operations: z.array(z.looseObject({ type: z.string(), resource })).optional(),
});

/**
 * Makes a stack that a killed run left ready for the next one: its dead locks go, and what was being created is looked for
 * at Hetzner by name and labels. What is there is taken into the state under its id, so that it is not created, and paid for,
 * twice; the rest is forgotten, and created again.
 * @throws UserError (busy) when somebody is at work on it
 */
export async function recover(
  layout: Layout,
  host: string,
  stack: Stack,
  local: Pick<LocalSettings, "endpoint" | "token">,
  tell: (text: string) => void,
): Promise<void> {
  await clearDeadLocks(layout, host, tell);
  if (!wasInterrupted(layout, host)) return;
  const exported = await stack.exportStack();
  const parsed = deployment.safeParse(exported.deployment);
  if (!parsed.success) {
    throw new UserError(`${host}: the state is not as Pulumi writes it (${z.prettifyError(parsed.error)}).`, {
      exitCode: exitCodes.engine,
    });
  }
  const { resources = [], pending_operations: pending = [], ...rest } = parsed.data;
  const hetzner = createHetzner(local);
  const adopted: z.infer<typeof resource>[] = [];
  for (const { type, resource: interrupted } of pending) {
    if (type !== "creating" || !isAtHetzner(interrupted.type)) continue;
    const name = interrupted.inputs?.["name"];
    const id = typeof name === "string" ? await findExisting(hetzner, host, interrupted.type, name) : undefined;
    if (id === undefined || resources.some(({ urn }) => urn === interrupted.urn)) continue;
    adopted.push({ ...interrupted, id: String(id) });
    tell(
      `${host}: ${interrupted.urn.split("::").at(-1)} was being created when the last run was killed; it is there, as ${id}`,
    );
  }
  // The next run's refresh reads the rest of it.
  await stack.importStack({ ...exported, deployment: { ...rest, resources: [...resources, ...adopted] } });
}

/** Read from the file, which takes no time; asking the engine takes a second. */
function wasInterrupted(layout: Layout, host: string): boolean {
  const file = join(layout.state, ".pulumi", "stacks", configNamespace, `${host}.json`);
  return readStateFile(file)?.includes('"pending_operations"') ?? false;
}
