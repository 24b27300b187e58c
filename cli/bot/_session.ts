import { UserError } from "../../core/base/errors.ts";
import { exitCodes } from "../../core/base/exit-codes.ts";
import { findLayout } from "../../core/project/layout.ts";
import { hostsOf } from "../../core/tasks/bots/hosts-of.ts";
import { type ServerOptions, type Session, withSession } from "../server/_session.ts";
import { unitOf } from "../server/_unit.ts";
import { chooseFrom } from "../shared/choose.ts";

export const botHostOption = ["--host <name>", "the host; optional if only one has the bot"] as const;

/** Does `work` with a way to the host that has a bot, and the bot's unit. @throws UserError (usage) if it is not clear which host */
export async function withBot<T>(
  bot: string,
  options: ServerOptions,
  work: (session: Session, unit: string) => Promise<T>,
): Promise<T> {
  const host = options.host ?? hostOf(bot);
  return withSession({ ...options, host }, async (session) =>
    work(session, unitOf(session.host, bot, session.settings.bots)),
  );
}

/** The one host that has a bot. @throws UserError (usage) */
export function hostOf(bot: string): string {
  const hosts = hostsOf(findLayout(process.cwd()), bot);
  if (hosts.length > 0) return chooseFrom(hosts, undefined, `the hosts of ${bot}`);
  const problem = `no stack file names the bot "${bot}".`;
  const fix = "See which bots there are: clawdlets bot list";
  throw new UserError({ subject: "clawdlets:bots", problem, fix }, { exitCode: exitCodes.usage });
}
