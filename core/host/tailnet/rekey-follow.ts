import { UserError } from "../../base/errors.ts";
import { exitCodes } from "../../base/exit-codes.ts";
import { poll } from "../../base/wait-until.ts";
import { safeText, shellQuoted } from "../../base/wording.ts";
import { askHost } from "../reach/ask.ts";
import { isFinal, type Refusal } from "../reach/refusal.ts";
import { adminRoute } from "../reach/route.ts";
import { type SshRoute, ssh } from "../reach/ssh.ts";
import { namesakesOf } from "../reach/tailnet.ts";
import { readTailnetClient } from "../reach/tailnet-client.ts";
import { orderRekey, parseRekey, type RekeyState, rekeyQuestion } from "./rekey-orders.ts";
import type { Rekey } from "./rekey-request.ts";

/** An order that was sent. */
export interface Order {
  id: string;
  /** Over which it was sent. Never over this one is it confirmed. */
  route: SshRoute;
  /** When the host rolls back on its own, by this machine's clock. */
  endsAt: Date;
}

/** A new device that was confirmed over a session at its own address. */
export interface Confirmed {
  route: SshRoute;
  state: RekeyState;
}

interface Seen extends Confirmed {
  /** The route leads to the new device: the peer at this address has the node key that the host says is its new one. */
  isNew: boolean;
}

/** Seconds that the host may need to roll back after its deadline. */
const silence = 120;

/**
 * Waits until the host answers as a new device, confirms it over that session, and waits until the host has taken note.
 * @param onStray called with the new device's node key if the host rolled back to the old one
 * @throws UserError (returned) if the host rolled back to its old device, (unseen) if the outcome is unknown or the confirmation refused
 */
export async function followRekey(
  request: Rekey,
  order: Order,
  onStray: (nodeKey: string) => Promise<void>,
): Promise<Confirmed> {
  const { settings, signal, report, deadlineSeconds } = request;
  let reported = "";
  const check = async (): Promise<Confirmed | undefined> => {
    const seen = await lookAtRekey(request, order);
    // After a rollback the old device's answer counts, otherwise the new one's.
    const [best] = seen.sort((a, b) => Number(b.isNew) - Number(a.isNew));
    if (!best) return undefined;
    const { state, isNew, route } = best;
    if (state.phase !== reported) report(inWords(state), state.phase === "done" ? undefined : deadlineSeconds);
    reported = state.phase;
    if (state.phase === "done" && state.result === "returned") {
      if (state.to !== "") await onStray(state.to);
      throw returned(settings.host, state);
    }
    if (!isNew) return undefined;
    if (state.phase === "done") return best;
    if (state.phase !== "waiting") return undefined;
    // The answer may be lost; then the next look tells.
    const answer = await orderRekey(route, `confirm ${order.id}\n`, signal);
    if (answer.kind === "refused" && isFinal(answer.refusal)) {
      await onStray(state.to);
      throw unconfirmed(settings.host, order, answer.refusal);
    }
    return answer.kind === "taken" && answer.state.phase === "done" ? { route, state: answer.state } : undefined;
  };
  try {
    const confirmed = await poll(check, { seconds: deadlineSeconds + silence, pauseMs: 500, signal });
    if (confirmed) return confirmed;
  } catch (error) {
    if (signal.aborted) throw stopped(settings.host, order);
    throw error;
  }
  throw lostContact(settings.host, order);
}

/** Asks at every address that may be the host's, over a new session each. @returns what is about this order */
async function lookAtRekey({ layout, settings, local, signal }: Rekey, { id, route: first }: Order): Promise<Seen[]> {
  const { problem, peers, isUserspace } = await readTailnetClient(local, signal);
  const proxy = isUserspace ? `${shellQuoted(local.tailscale.replaceAll("%", "%%"))} nc %h %p` : undefined;
  const online = problem ? [] : namesakesOf(settings.host, peers).filter(({ Online, Expired }) => Online && !Expired);
  const ask = async (given: SshRoute | Promise<SshRoute>, nodeKey?: string): Promise<Seen[]> => {
    const route = await given;
    const run = (command: string) => ssh(route, command, { timeoutSeconds: 10, signal });
    const state = parseRekey((await askHost(run, { rekey: rekeyQuestion }))?.rekey ?? "");
    if (state?.id !== id) return [];
    return [{ route, state, isNew: nodeKey !== undefined && nodeKey === state.to && nodeKey !== state.from }];
  };
  const overTailnet = online.flatMap(({ TailscaleIPs, PublicKey }) => {
    const [address] = TailscaleIPs ?? [];
    return address === undefined ? [] : [ask(adminRoute({ layout, settings, local }, address, proxy), PublicKey)];
  });
  // A public address, or one of `targetHost`: it tells how far the host is, and confirms nothing.
  const isOfTailnet = peers.some(({ TailscaleIPs }) => TailscaleIPs?.includes(first.address));
  return (await Promise.all([...overTailnet, ...(isOfTailnet ? [] : [ask(first)])])).flat();
}

function inWords({ phase, why }: RekeyState): string {
  const words: Record<RekeyState["phase"], string> = {
    accepted: "the host is about to begin",
    replacing: "the host is putting its old identity aside",
    joining: "the host is joining as a new device",
    waiting: "the new device answers with the pinned host key; confirming it",
    returning: `the host is rolling back to its old device: ${safeText(why)}`,
    done: why === "" ? "the host has kept its new identity" : "the host has rolled back to its old device",
  };
  return words[phase];
}

const returned = (host: string, { why }: RekeyState) =>
  new UserError(
    {
      subject: host,
      problem: `NOT CHANGED. It is its old device again: ${safeText(why) || "the host gave no reason"}.`,
      fix: `Check it: clawdlets tailnet status --host ${host}`,
    },
    { exitCode: exitCodes.returned },
  );

const unconfirmed = (host: string, { endsAt }: Order, { said }: Refusal) =>
  new UserError(
    {
      subject: host,
      problem: `the host refused the confirmation of its new device: ${said.replace(/\.$/, "")}. Unless it was already confirmed, it rolls back to its old device on its own at ${clock(endsAt)}.`,
      fix: `Check it after that: clawdlets tailnet status --host ${host}`,
    },
    { exitCode: exitCodes.unseen },
  );

const clock = (at: Date) => `${String(at.getHours()).padStart(2, "0")}:${String(at.getMinutes()).padStart(2, "0")}`;

const lostContact = (host: string, { endsAt }: Order) =>
  new UserError(
    {
      subject: host,
      problem: `LOST CONTACT. Unless the new device was already confirmed, the host rolls back to its old one on its own at ${clock(endsAt)}.`,
      fix: `Check it after that: clawdlets tailnet status --host ${host}; if it does not answer: clawdlets server status --host ${host} --window`,
    },
    { exitCode: exitCodes.unseen },
  );

const stopped = (host: string, { endsAt }: Order) =>
  new UserError(
    {
      subject: host,
      problem: `stopped. Unless the new device was already confirmed, the host rolls back to its old one on its own at ${clock(endsAt)}: clawdlets tailnet status --host ${host}`,
    },
    { exitCode: exitCodes.unseen },
  );
