import type { Stack } from "@pulumi/pulumi/automation/index.js";
import { z } from "zod";
import { messageOf, SettingsError, UserError } from "../../core/base/errors.ts";
import { exitCodes } from "../../core/base/exit-codes.ts";
import { createHetzner, type Hetzner } from "../../core/base/hetzner/client.ts";
import { findExisting, isAtHetzner, isThere } from "../../core/base/hetzner/existing.ts";
import { resourceTypes } from "../../core/base/hetzner/resource-types.ts";
import { tidyInterrupted } from "../../core/host/install/interrupted.ts";
import { inStackFile } from "../../core/host/install/preflight.ts";
import { wantedType } from "../../core/host/server/choices.ts";
import { monthlyLimit } from "../../core/host/server/cost-limit.ts";
import { ensureOn, findServer } from "../../core/host/server/power.ts";
import { checkTypeChange } from "../../core/host/server/type-change.ts";
import { hostLayoutOf } from "../../core/project/layout.ts";
import { readProjectFile } from "../../core/project/state/project-file.ts";
import { readState, type StackState, serverIn, stateIn } from "../../core/project/state/state.ts";
import { engineFailure } from "../run.ts";
import { closeLeftWindows, markInterrupted, type Recovery, waitForInstallation } from "./interrupted.ts";
import { clearDeadLocks } from "./stack-locks.ts";

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
 * twice; the rest is forgotten, and created again. Windows that were left are closed.
 * @throws UserError (busy) if another process is working on it
 */
export async function recover(stack: Stack, recovery: Recovery): Promise<void> {
  const { layout, host, local, tell } = recovery;
  await clearDeadLocks(layout, host, tell);
  const isInterrupted = await waitForInstallation(recovery);
  if (isInterrupted) await tidyInterrupted(hostLayoutOf(layout, host), host);
  // Read from the file, which takes no time; asking the engine takes a second.
  const here = readState(layout, host).value;
  const state = here ?? (await stateInBucket(stack, recovery));
  if (!state) return;
  const hetzner = createHetzner({ ...local, tell: (text) => tell(`${host}: ${text}`) });
  // With a state in a bucket, the server may be another machine's work just now. Its locks are there, too: only the engine sees them.
  const known = here && serverIn(here);
  await refuseForeignProject(hetzner, state, host);
  if (known) {
    await closeLeftWindows(hetzner, recovery).catch((error: unknown) => {
      // The server is about to go, and its port with it.
      if (!recovery.removing || !(error instanceof UserError)) throw error;
      tell(`${host}: ${error.message}`);
    });
    if (isInterrupted) await markInterrupted(recovery);
    await prepareServer(hetzner, known.id, recovery);
  }
  if (state.pending.length === 0) return;
  const exported = await stack.exportStack();
  const parsed = deployment.safeParse(exported.deployment);
  if (!parsed.success) {
    throw new UserError(
      { subject: host, problem: `the state is not as Pulumi writes it (${z.prettifyError(parsed.error)}).` },
      {
        exitCode: exitCodes.engine,
      },
    );
  }
  const { resources = [], pending_operations: pending = [], ...rest } = parsed.data;
  const adopted: z.infer<typeof resource>[] = [];
  for (const { type, resource: interrupted } of pending) {
    if (type !== "creating" || !isAtHetzner(interrupted.type)) continue;
    const name = interrupted.inputs?.["name"];
    const id = typeof name === "string" ? await findExisting(hetzner, host, interrupted.type, name) : undefined;
    if (id === undefined || resources.some(({ urn }) => urn === interrupted.urn)) continue;
    adopted.push({ ...interrupted, id: String(id) });
    tell(
      `${host}: ${interrupted.urn.split("::").at(-1)} was being created when the last run was killed; it exists, as ${id}`,
    );
  }
  // The next run's refresh reads the rest of it. The engine refuses this while another one works on the stack.
  const next = { ...exported, deployment: { ...rest, resources: [...resources, ...adopted] } };
  await stack.importStack(next).catch((error: unknown) => {
    throw engineFailure(host, operationOf(recovery), messageOf(error), []);
  });
}

const operationOf = ({ removing }: Recovery) => (removing ? "destroy" : "up");

async function stateInBucket(stack: Stack, recovery: Recovery): Promise<StackState | undefined> {
  if (readProjectFile(recovery.layout).hasLocalState) return undefined;
  const { deployment: latest } = await stack.exportStack().catch((error: unknown) => {
    throw engineFailure(recovery.host, operationOf(recovery), messageOf(error), []);
  });
  return stateIn(latest);
}

/**
 * A token of another project of Hetzner's finds nothing of what the state has. The engine would take that for deleted: an `up`
 * would buy a second server, a `destroy` would say "destroyed" while the first one runs on.
 * @throws SettingsError where nothing of it is there; one request where the server is
 */
async function refuseForeignProject(hetzner: Hetzner, { resources }: StackState, host: string): Promise<void> {
  const made = resources.flatMap(({ type, id }) =>
    id !== undefined && isAtHetzner(type) ? [{ type, id: Number(id) }] : [],
  );
  const server = made.findIndex(({ type }) => type === resourceTypes.server);
  if (server < 0) return;
  for (const { type, id } of [...made.slice(server), ...made.slice(0, server)]) {
    if (await isThere(hetzner, type, id)) return;
  }
  throw new SettingsError([
    {
      code: "wrong-project",
      subject: `the state of ${host}`,
      setting: "HCLOUD_TOKEN",
      problem: `belongs to a Hetzner project that has neither the server nor anything else of ${host}'s state.`,
      fix: `Use the token of the host's own project. If everything was deleted by hand: eval "$(npx --no-install clawdlets env --host ${host})" && pulumi refresh`,
    },
  ]);
}

/**
 * Switches the server on, which a refused change of its type or a rebuild that failed half way leaves off, and refuses a change
 * of its type that Hetzner would refuse once the power is cut.
 * @throws SettingsError before anything is changed
 */
async function prepareServer(hetzner: Hetzner, id: number, recovery: Recovery): Promise<void> {
  const { layout, host, settings, tell, removing } = recovery;
  const server = removing ? undefined : await findServer(hetzner, id);
  if (!server) return;
  if (await ensureOn(hetzner, server)) tell(`${host}: the server was off; switching it on`);
  const wanted = wantedType(settings, server.server_type.name);
  const { problems } = await checkTypeChange(hetzner, server, wanted, monthlyLimit(layout));
  if (problems.length > 0) throw new SettingsError(inStackFile(host, problems));
}
