import { Command, InvalidArgumentError } from "commander";
import { UserError } from "../../core/base/errors.ts";
import { exitCodes } from "../../core/base/exit-codes.ts";
import { listSnapshots, restoreBot, type Snapshot } from "../../core/host/backup/orders.ts";
import { botHostOption, hostOf } from "../bot/_session.ts";
import { type ServerOptions, type Session, withSession } from "../server/_session.ts";
import { askLine, canAsk } from "../shared/ask.ts";
import { windowOption } from "../shared/behind-window.ts";
import { jsonOption, printJson, resultLines, tell } from "../shared/output.ts";
import { settingsOf } from "./_settings.ts";
import { goesOnWhenStopped, limitOption } from "./_shared.ts";

interface Options extends ServerOptions {
  snapshot: string;
  inPlace?: boolean;
  dryRun?: boolean;
  yes?: boolean;
  limit: number;
}

/** `clawdlets backup restore BOT`. */
export function restoreCommand(): Command {
  return new Command("restore")
    .argument("<bot>", "the bot, e.g. maren")
    .option(...botHostOption)
    .option("--snapshot <id>", "a backup, as `backup list` names it", snapshot, "latest")
    .option("--in-place", "STOP THE BOT and REPLACE ITS FILES; the former ones are kept on the host")
    .option("--dry-run", "show which backup would be restored, and change nothing")
    .option("--yes", "do not ask for confirmation")
    .option(...limitOption)
    .option(...windowOption)
    .option(...jsonOption)
    .addHelpText(
      "after",
      `
Without --in-place, the files go to a folder on the host that only root may enter, and the bot is not touched.
If the bot does not run with the restored files, the host takes the former ones back.

Examples:
  clawdlets backup restore maren
  clawdlets backup restore maren --in-place --snapshot 0123abcd --dry-run
  clawdlets backup restore maren --in-place --yes --json
`,
    )
    .action((bot: string, options: Options) =>
      withSession({ ...options, host: options.host ?? hostOf(bot) }, (session) => restore(session, bot, options)),
    );
}

async function restore(session: Session, bot: string, options: Options): Promise<void> {
  const { host, settings } = session;
  const { skip = [] } = settingsOf(session);
  const included = settings.bots.filter((each) => !skip.includes(each));
  if (!included.includes(bot)) {
    const problem = `"${bot}" is not a bot that is backed up; allowed: ${included.join(", ") || "none"}.`;
    throw new UserError({ subject: host, problem }, { exitCode: exitCodes.usage });
  }
  const to = options.inPlace ? "in-place" : "folder";
  const say = resultLines(options.json);
  const chosen = chooseFrom(host, bot, options.snapshot, await listSnapshots(session));
  if (options.dryRun) {
    const text = options.inPlace ? "would stop the bot, replace its files and start it" : "would restore to a folder";
    say(`${host}: ${text}, from backup ${chosen.id} of ${chosen.at}. Nothing was changed.`);
    if (options.json) printJson({ ok: true, host, dryRun: true, to, ...chosen });
    return;
  }
  if (options.inPlace && !options.yes) await confirm(host, chosen);
  goesOnWhenStopped(host, `restoring ${bot}`);
  tell(`${host}: restoring ${bot} from backup ${chosen.id} of ${chosen.at}`);
  const { folder } = await restoreBot(session, { bot, snapshot: chosen.id, to }, options.limit * 60);
  const where = options.inPlace
    ? `runs with them; its former files are in ${folder}`
    : `they are in ${folder}, for root`;
  say(`${host}: restored the files of ${bot} of ${chosen.at}: ${options.inPlace ? `it ${where}` : where}`);
  if (options.json) printJson({ ok: true, host, to, folder, ...chosen });
}

function chooseFrom(host: string, bot: string, wanted: string, all: readonly Snapshot[]): Snapshot {
  const own = all.filter((each) => each.bot === bot);
  const found = wanted === "latest" ? own.at(-1) : own.find(({ id }) => wanted.startsWith(id));
  if (found) return found;
  const problem = wanted === "latest" ? `${bot} has no backups.` : `${bot} has no backup ${wanted}.`;
  const fix =
    own.length === 0
      ? `Make one: clawdlets backup now --host ${host}`
      : `See them: clawdlets backup list --host ${host}`;
  throw new UserError({ code: "backup-failed", subject: host, problem, fix });
}

async function confirm(host: string, { bot, id, at }: Snapshot): Promise<void> {
  if (!canAsk()) {
    const problem = "--in-place replaces the bot's files, and this is not a terminal, so you cannot confirm it.";
    throw new UserError({ subject: host, problem, fix: "Pass --yes." }, { exitCode: exitCodes.usage });
  }
  const answer = await askLine(
    `This stops ${bot} on ${host} and replaces its files with those of ${at} (${id}). Type the bot's name to continue: `,
  );
  if (answer !== bot) throw new UserError({ subject: host, problem: "not restored." }, { exitCode: exitCodes.usage });
}

function snapshot(value: string): string {
  if (value === "latest" || /^[0-9a-f]{8,64}$/.test(value)) return value;
  throw new InvalidArgumentError("latest, or 8 to 64 hex digits");
}
