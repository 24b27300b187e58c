import { UserError } from "../../core/base/errors.ts";
import { createHetzner } from "../../core/base/hetzner/client.ts";
import { readJournal } from "../../core/host/journal.ts";
import { adminRoute } from "../../core/host/reach/admin-route.ts";
import type { SshRoute } from "../../core/host/reach/ssh.ts";
import { closeWindow, type Window } from "../../core/host/window/window.ts";
import { openByHand } from "../../core/host/window/window-by-hand.ts";
import { noteWindow } from "../../core/host/window/window-journal.ts";
import { hostLayoutOf, type Layout } from "../../core/project/layout.ts";
import { accessOf } from "../../core/project/settings/access.ts";
import type { HostSettings, LocalSettings } from "../../core/project/settings/host.ts";

export const windowOption = [
  "--window",
  "OPEN TCP/22 to the admin network meanwhile, where the tailnet is broken; needs a host that lets ssh in publicly",
] as const;

/**
 * Does `work` by the host's public address, with TCP/22 open to the admin network while it lasts.
 * @param minutes after which a guard closes the window that this process could not
 */
export async function behindWindow<T>(
  { layout, settings, local }: { layout: Layout; settings: HostSettings; local: LocalSettings },
  minutes: number,
  work: (route: SshRoute) => Promise<T>,
): Promise<T> {
  const { host } = settings;
  const files = hostLayoutOf(layout, host);
  const address = readJournal(files.journal)?.address;
  if (address === undefined)
    throw new UserError(`${host}: this machine does not know its address: never installed from here.`);
  const hetzner = createHetzner(local);
  const window: Window = await openByHand(hetzner, { host, files, access: accessOf(local), minutes });
  process.stderr.write(`${host}: TCP/22 is open to ${window.cidrs.join(", ")} for this command\n`);
  try {
    return await work(adminRoute({ layout, settings, local }, address));
  } finally {
    await closeWindow(hetzner, window);
    noteWindow(files.windows, { event: "closed", by: "window" });
    process.stderr.write(`${host}: TCP/22 is closed again\n`);
  }
}
