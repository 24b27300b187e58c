import { UserError } from "../../base/errors.ts";
import { exitCodes } from "../../base/exit-codes.ts";
import { waitForActions } from "../../base/hetzner/actions.ts";
import { answerOf, type Hetzner } from "../../base/hetzner/client.ts";
import { HetznerApiError } from "../../base/hetzner/errors.ts";
import { allFirewalls, allServers } from "../../base/hetzner/pages.ts";
import { addressesOf } from "../../base/hetzner/public-addresses.ts";
import { bakingLabel } from "../../host/image/labels.ts";
import { triesInWords, tryPort } from "../../host/reach/port.ts";
import { runLabel } from "../../host/window/window.ts";

const selectorOf = (host: string, run: string) => `${bakingLabel}==${host},${runLabel}==${run}`;

/**
 * Removes the rules of a bake's firewall. It stays attached: without any firewall, the server would be open to everyone.
 * @throws UserError if Hetzner did not do it
 */
export async function closeRun(hetzner: Hetzner, host: string, run: string): Promise<void> {
  const all = await allFirewalls(hetzner, "list the firewalls of the bake", selectorOf(host, run));
  const open = all.filter(({ rules }) => rules.length > 0);
  await Promise.all(open.map(({ id }) => close(hetzner, id, host)));
}

async function close(hetzner: Hetzner, id: number, host: string): Promise<void> {
  const what = `close TCP/22 of the temporary server of ${host}`;
  const call = hetzner.POST("/firewalls/{id}/actions/set_rules", { params: { path: { id } }, body: { rules: [] } });
  try {
    const { actions } = await answerOf(what, call);
    await waitForActions(hetzner, actions, { what, timeoutSeconds: 120 });
  } catch (error) {
    if (!(error instanceof HetznerApiError) || error.code !== "not_found") throw error;
  }
}

/**
 * Tries to connect to what is left of a bake.
 * @returns what was seen
 * @throws UserError if TCP/22 still answers
 */
export async function proveClosed(
  hetzner: Hetzner,
  { host, run, sshPort }: { host: string; run: string; sshPort: number },
): Promise<string> {
  const servers = await allServers(hetzner, "find the temporary server", selectorOf(host, run));
  const tried = await Promise.all(servers.flatMap(addressesOf).map((address) => tryPort(address, sshPort)));
  const said = tried.map(({ address, seen, notTried }) => `TCP/22 of ${address}: ${notTried ?? triesInWords(seen)}`);
  const isOpen = tried.some(({ closed, notTried }) => !closed && notTried === undefined);
  if (isOpen || (tried.length > 0 && tried.every(({ notTried }) => notTried !== undefined))) {
    throw new UserError(
      { subject: host, problem: `not proven closed. ${said.join("; ")}.` },
      { exitCode: exitCodes.open },
    );
  }
  return tried.length === 0 ? "no server is left" : said.join("; ");
}
