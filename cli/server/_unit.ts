import { UserError } from "../../core/base/errors.ts";
import { exitCodes } from "../../core/base/exit-codes.ts";
import { leavesWhenStopped } from "../shared/ending.ts";
import { printJson, resultLines } from "../shared/output.ts";
import type { Session } from "./_session.ts";

/** sudo lets admin see and restart bots' units alone. @throws UserError (usage) for another one, with those that there are */
export function unitOf(host: string, named: string | undefined, bots: readonly string[]): string {
  const bot = named?.replace(/^clawdbot-/, "").replace(/\.service$/, "") ?? (bots.length === 1 ? bots[0] : undefined);
  if (bot !== undefined && bots.includes(bot)) return `clawdbot-${bot}.service`;
  const there = bots.length === 0 ? "the host has no bots" : `allowed: ${bots.join(", ")}`;
  throw new UserError(
    {
      subject: host,
      problem: `${named === undefined ? "Which bot? Name it with --unit" : `--unit: there is no bot "${named}"`}; ${there}.`,
    },
    {
      exitCode: exitCodes.usage,
    },
  );
}

/** Restarts a bot's unit, and says so. */
export async function restartUnit({ host, run }: Session, unit: string, json: boolean | undefined): Promise<void> {
  leavesWhenStopped(`${unit} may be restarting. See whether it runs: clawdlets server status --host ${host}`);
  const { exitCode, stderr } = await run(`sudo -n /run/current-system/sw/bin/systemctl restart ${unit}`);
  if (exitCode !== 0) throw new UserError({ subject: host, problem: `${unit} was not restarted: ${stderr.trim()}` });
  resultLines(json)(`${host}: ${unit} was restarted`);
  if (json) printJson({ ok: true, host, unit });
}
