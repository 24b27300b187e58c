import { relative } from "node:path";
import { waitForActions } from "../core/base/hetzner/actions.ts";
import { answerOf, createHetzner } from "../core/base/hetzner/client.ts";
import { HetznerApiError } from "../core/base/hetzner/errors.ts";
import type { Environment } from "../core/base/machine/environment.ts";
import { removePrivateFile } from "../core/base/machine/private-files.ts";
import { readJournal } from "../core/host/journal.ts";
import { knownServer } from "../core/host/reach/made-elsewhere.ts";
import { leaveTailnet } from "../core/host/tailnet/leave.ts";
import { keepCopy } from "../core/project/copies/keep.ts";
import { hostLayoutOf, type Layout } from "../core/project/layout.ts";
import { hasTailnet, type LocalSettings, loadHost } from "../core/project/settings/host.ts";
import { engineOrSetUp } from "./environment.ts";
import type { Progress } from "./progress/progress.ts";
import { keepState } from "./recovery/good-state.ts";
import { removeLeftovers } from "./recovery/leftovers.ts";
import { recover } from "./recovery/recover.ts";
import { runEngine } from "./run.ts";
import { openStack } from "./stack.ts";
import { unprotect } from "./unprotect.ts";

export interface DestroyRequest {
  layout: Layout;
  host: string;
  environment: Environment;
  progress: Progress;
}

/** Deletes the server, its disk and everything else of the host at Hetzner. Its keys and secrets stay in `.clawdlets`. */
export async function destroy({ layout, host, environment, progress }: DestroyRequest): Promise<void> {
  const engine = await engineOrSetUp(progress);
  const stack = await openStack(layout, host, engine, { tell: progress });
  const { settings, local } = loadHost(layout, host, environment);
  await recover(stack, { layout, host, settings, local, tell: progress, removing: true });
  // Not from the outputs: a run that was killed half-way has none, and its server may be protected all the same.
  const serverId = (await knownServer(layout, host, local))?.id;
  if (serverId !== undefined) await liftProtection(serverId, host, local);
  // Lift the engine's own protection as well: both guard against mistakes, and this was explicit.
  await unprotect(layout, engine, host);
  await runEngine(host, "destroy", progress, (options) => stack.destroy(options));
  await keepState(layout, host);
  await removeLeftovers({ layout, host, local, tell: progress });
  // What it says of an installed host is over: secrets have nowhere to be sent.
  const files = hostLayoutOf(layout, host);
  const { journal } = files;
  if (serverId !== undefined && hasTailnet(settings) && !readJournal(journal))
    progress(
      `${host}: another machine installed it, so its device in the tailnet is not known here. Delete it in the tailnet's admin console.`,
    );
  await leaveTailnet({ files, local, host, tell: progress });
  await removePrivateFile(journal);
  keepCopy(layout, new Set([relative(layout.dir, journal)]));
}

/** hcloud 1.68.0 does not lift Hetzner's delete protection before it deletes: the call ends with 423 `protected`. */
async function liftProtection(id: number, host: string, local: LocalSettings): Promise<void> {
  const what = `lift the protection of the server ${host}`;
  const hetzner = createHetzner({ endpoint: local.endpoint, token: local.token });
  const call = hetzner.POST("/servers/{id}/actions/change_protection", {
    params: { path: { id } },
    body: { delete: false, rebuild: false },
  });
  try {
    const { action } = await answerOf(what, call);
    await waitForActions(hetzner, action ? [action] : [], { what, timeoutSeconds: 60 });
  } catch (error) {
    if (!(error instanceof HetznerApiError) || error.code !== "not_found") throw error; // Gone already: nothing to lift.
  }
}
