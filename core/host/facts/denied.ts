import { UserError } from "../../base/errors.ts";
import { safeText } from "../../base/wording.ts";

type Run = (command: string) => Promise<{ exitCode: number; stdout: string; stderr: string }>;

/** A destination that a bot's proxy refused. */
export interface Denied {
  bot: string;
  /** As the bot asked for it, `host:port` or a URL. */
  target: string;
  count: number;
  /** Of the last time, as journalctl prints it. */
  last: string;
  /** As an entry of `clawdlets.egress.proxy.allowedDomains`; left out for what that cannot allow. */
  domain?: string;
}

/** Far more than a bot that is merely confused asks for. */
const maxLines = 20_000;

/**
 * What the proxies of these bots refused, most often first.
 * @param since a number and s, m, h or d
 * @throws UserError when the host does not show a journal
 */
export async function readDenied(host: string, run: Run, bots: readonly string[], since: string): Promise<Denied[]> {
  const found: Denied[] = [];
  for (const bot of bots) {
    const unit = `clawdlets-egress-proxy-${bot}.service`;
    const options = `--no-pager --output=short-iso --unit=${unit} --lines=${maxLines} --since=-${since}`;
    const { exitCode, stdout, stderr } = await run(`sudo -n /run/current-system/sw/bin/journalctl ${options}`);
    if (exitCode !== 0) {
      const fix = `If the host's system is older than this command: clawdlets rebuild --host ${host}`;
      throw new UserError({ subject: host, problem: `${unit}: ${stderr.trim()}`, fix });
    }
    found.push(...deniedIn(bot, stdout));
  }
  return found.sort((a, b) => b.count - a.count);
}

/** From the journal of a bot's proxy. The bot chooses what stands between the quotes. */
export function deniedIn(bot: string, journal: string): Denied[] {
  const byTarget = new Map<string, Denied>();
  for (const line of journal.split("\n")) {
    const [, last, target] = /^(\S+) .*?: Proxying refused on filtered (?:url|domain) "(.*)"$/.exec(line) ?? [];
    if (last === undefined || target === undefined) continue;
    const domain = /^((?:[a-z0-9_-]+\.)+[a-z][a-z0-9-]*):443$/.exec(target.toLowerCase())?.[1];
    const key = domain ?? safeText(target, 200);
    const count = (byTarget.get(key)?.count ?? 0) + 1;
    byTarget.set(key, { bot, target: safeText(target, 200), count, last, ...(domain !== undefined && { domain }) });
  }
  return [...byTarget.values()];
}
