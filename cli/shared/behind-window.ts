import { UserError } from "../../core/base/errors.ts";
import { createHetzner } from "../../core/base/hetzner/client.ts";
import { publicAddressOf } from "../../core/host/reach/made-elsewhere.ts";
import { adminRoute } from "../../core/host/reach/route.ts";
import type { SshRoute } from "../../core/host/reach/ssh.ts";
import { type Closed, closedInWords } from "../../core/host/window/close-and-prove.ts";
import { whileOpen } from "../../core/host/window/window-by-hand.ts";
import { hostLayoutOf, type Layout } from "../../core/project/layout.ts";
import { accessOf } from "../../core/project/settings/access.ts";
import type { HostSettings, LocalSettings } from "../../core/project/settings/host.ts";
import { printable } from "../../engine/progress/progress.ts";

export const windowOption = [
  "--window",
  "OPEN TCP/22 to the admin network while this runs, if the tailnet is broken; needs public ssh on the host",
] as const;

/**
 * Does `work` over the host's public address, with TCP/22 open to the admin network while it lasts.
 * @param minutes after which a guard closes the window in any case
 * @throws UserError (open) when TCP/22 was not seen closed afterwards
 */
export async function behindWindow<T>(
  {
    layout,
    settings,
    local,
    signal,
  }: { layout: Layout; settings: HostSettings; local: LocalSettings; signal: AbortSignal },
  minutes: number,
  work: (route: SshRoute) => Promise<T>,
): Promise<T> {
  const { host } = settings;
  const files = hostLayoutOf(layout, host);
  const address = await publicAddressOf(layout, host, local, signal);
  if (address === undefined)
    throw new UserError({
      subject: host,
      problem: "its address is unknown: this machine did not install it, and Hetzner named no server of this host.",
    });
  const hetzner = createHetzner(local);
  const tell = (text: string) => process.stderr.write(`${printable(`${host}: ${text}`)}\n`);
  const onClosed = (closed: Closed) => tell(`the window is closed again: ${closedInWords(closed)}`);
  const request = { host, files, access: accessOf(local), minutes, signal, onClosed };
  const { result } = await whileOpen(hetzner, request, async ({ cidrs }) => {
    tell(`TCP/22 is open to ${cidrs.join(", ")} for this command`);
    return work(await adminRoute({ layout, settings, local }, address));
  });
  return result;
}
