import { hostLayoutOf } from "../../project/layout.ts";
import { ciphertextHere } from "../../project/secrets/ciphertext.ts";
import { commitOf, revisionOf } from "../flake/commits.ts";
import { resolveFlake } from "../flake/flake.ts";
import { readJournal } from "../journal.ts";
import { findRoute } from "../reach/route.ts";
import type { Activated } from "./activate.ts";
import { lookAtActivation } from "./orders.ts";
import { type Rebuild, rebuild } from "./rebuild.ts";
import { noCiphertext } from "./wanted.ts";

export interface Bring extends Omit<Rebuild, "rev" | "secrets"> {
  /** As the stack declares it. @see WantedConfiguration */
  ciphertext: string | undefined;
}

/**
 * Brings a running host to what its stack declares. One that was just installed with it is looked at and left alone: it need
 * not build again what it runs.
 * @throws UserError as {@link rebuild}
 */
export async function bring(request: Bring): Promise<Activated> {
  const { layout, settings, local, ciphertext } = request;
  const rev = commitOf(settings, await resolveFlake(layout, settings, local));
  const installed = await installedWith(request, rev);
  if (installed) return installed;
  const sends = ciphertext !== undefined && ciphertext !== noCiphertext;
  return rebuild({ ...request, rev, secrets: sends ? ciphertextHere(layout, settings.host) : undefined });
}

/** What this machine's journal says was installed counts only if the host is seen to run it, and nothing was changed since. */
async function installedWith(request: Bring, rev: string): Promise<Activated | undefined> {
  const { layout, settings, ciphertext = noCiphertext, signal } = request;
  const { host } = settings;
  const journal = readJournal(hostLayoutOf(layout, host).journal);
  if (journal?.state !== "done" || journal.flake === undefined || revisionOf(journal.flake) !== rev) return undefined;
  if (ciphertext !== noCiphertext && ciphertext !== journal.ciphertext) return undefined;
  const { route } = await findRoute(request);
  const sight = route && (await lookAtActivation(route, signal));
  if (!sight || sight.state !== undefined || sight.systemPath !== journal.systemPath) return undefined;
  const { systemPath, bootId } = sight;
  return { host, changed: false, rev, systemPath, secretsChanged: false, bootId };
}
