import { messageOf, UserError } from "../../base/errors.ts";
import { exitCodes } from "../../base/exit-codes.ts";
import { waitForActions } from "../../base/hetzner/actions.ts";
import { answerOf, type Hetzner } from "../../base/hetzner/client.ts";
import { selectorOf } from "../../base/hetzner/labels.ts";
import { allFirewalls } from "../../base/hetzner/pages.ts";
import { opensSsh } from "../../project/firewall/opens-ssh.ts";
import type { ClosingWork } from "../window/close-and-prove.ts";
import { findWindows, type TidyUp, takeAllRules } from "../window/window.ts";
import type { Expected } from "./facts.ts";
import { inWords, plain } from "./firewalls.ts";

export interface Closed {
  /** Windows that were open. */
  windows: number;
  /** Removed rules that opened TCP/22, in words. */
  rules: string[];
}

/**
 * Closes everything of ours that opens TCP/22 of a host: first every window, then every undeclared rule in its firewalls.
 * Needs only the API: no ssh, no engine, no lock on the state, no stack file.
 * Does not prove that the port is closed: the caller connects to find out.
 * @param expectation what is declared; if it cannot be read, no rule counts as declared
 * @throws UserError after closing everything else: `open` if something that opens TCP/22 could not be closed, `unknown` if
 * Hetzner could not be asked what does
 */
export async function closeHost(
  { hetzner, tidying }: Pick<ClosingWork, "hetzner" | "tidying">,
  host: string,
  expectation: () => Promise<Expected | undefined>,
): Promise<Closed> {
  let failure: unknown;
  let isLeftOpen = false;
  // Carry on after a failure, to close everything else.
  const orElse =
    <T>(instead: T) =>
    (error: unknown): T => {
      failure ??= error;
      return instead;
    };
  const found = await findWindows(hetzner, host).catch(orElse([]));
  const open = found.filter((window) => window.open);
  const tidy: TidyUp | undefined = await takeAllRules(hetzner, found).catch(orElse(undefined));
  if (!tidy) isLeftOpen = open.length > 0;
  const expected = await expectation().catch(orElse(undefined));
  const rules = await closeRules(hetzner, host, expected, () => {
    isLeftOpen = true;
  }).catch(orElse([]));
  await tidy?.(tidying);
  if (failure === undefined) return { windows: open.length, rules };
  if (!(failure instanceof UserError)) throw failure;
  throw new UserError(
    {
      subject: host,
      problem: `NOT CLOSED. ${messageOf(failure)}`,
      fix: `Run again: clawdlets lockdown --host ${host}`,
    },
    {
      exitCode: isLeftOpen ? exitCodes.open : exitCodes.unknown,
      cause: failure,
    },
  );
}

/** @param onLeftOpen called when a rule that opens TCP/22 could not be removed */
async function closeRules(
  hetzner: Hetzner,
  host: string,
  expected: Expected | undefined,
  onLeftOpen: () => void,
): Promise<string[]> {
  const declared = new Set((expected?.rules ?? []).map(inWords));
  const taken: string[] = [];
  for (const { id, rules } of await allFirewalls(hetzner, `list the firewalls of ${host}`, selectorOf(host))) {
    const gone = rules.filter((rule) => opensSsh(rule) && !declared.has(inWords(plain(rule))));
    if (gone.length === 0) continue;
    const kept = rules.filter((rule) => !gone.includes(rule));
    await setRules(hetzner, id, host, kept).catch((error: unknown) => {
      onLeftOpen();
      throw error;
    });
    taken.push(...gone.map((rule) => inWords(plain(rule))));
  }
  return taken;
}

type Rules = Awaited<ReturnType<typeof allFirewalls>>[number]["rules"];

async function setRules(hetzner: Hetzner, id: number, host: string, rules: Rules): Promise<void> {
  const what = `close TCP/22 in the firewall ${id} of ${host}`;
  const call = hetzner.POST("/firewalls/{id}/actions/set_rules", { params: { path: { id } }, body: { rules } });
  const { actions } = await answerOf(what, call);
  await waitForActions(hetzner, actions, { what, timeoutSeconds: 120 });
}
