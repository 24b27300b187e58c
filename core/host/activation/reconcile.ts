import { hostLayoutOf } from "../../project/layout.ts";
import { ciphertextHere } from "../../project/secrets/ciphertext.ts";
import { commitOf, revisionOf } from "../flake/commits.ts";
import { resolveFlake } from "../flake/flake.ts";
import { readJournal } from "../journal.ts";
import { findRoute } from "../reach/route.ts";
import { readActivation } from "./orders.ts";
import { type Rebuild, type Rebuilt, rebuild } from "./rebuild.ts";
import { noCiphertext } from "./wanted.ts";

export interface ReconcileRequest extends Omit<Rebuild, "rev" | "secrets"> {
  /** As declared by the stack. @see WantedConfiguration */
  ciphertext: string | undefined;
}

/**
 * Changes a running host to what its stack declares. A host that was just installed with that configuration is only checked, not
 * rebuilt.
 * @throws UserError as {@link rebuild}
 */
export async function reconcile(request: ReconcileRequest): Promise<Rebuilt> {
  const { layout, settings, local, ciphertext } = request;
  const rev = commitOf(settings, await resolveFlake(layout, settings, local));
  const installed = await installedWith(request, rev);
  if (installed) return installed;
  const sends = ciphertext !== undefined && ciphertext !== noCiphertext;
  return rebuild({ ...request, rev, secrets: sends ? ciphertextHere(layout, settings.host) : undefined });
}

/** Trusts the installation journal only if the host runs the system recorded there and has had no activation since. */
async function installedWith(request: ReconcileRequest, rev: string): Promise<Rebuilt | undefined> {
  const { layout, settings, ciphertext = noCiphertext, signal } = request;
  const { host } = settings;
  const journal = readJournal(hostLayoutOf(layout, host).journal);
  if (journal?.state !== "done" || journal.flake === undefined || revisionOf(journal.flake) !== rev) return undefined;
  if (ciphertext !== noCiphertext && ciphertext !== journal.ciphertext) return undefined;
  const { route } = await findRoute(request);
  const snapshot = route && (await readActivation(route, signal));
  if (!snapshot || snapshot.state !== undefined || snapshot.systemPath !== journal.systemPath) return undefined;
  const { systemPath, bootId } = snapshot;
  return { host, changed: false, rev, systemPath, secretsChanged: false, bootId };
}
