import { Command } from "commander";
import { attach, withSession } from "./server/_session.ts";
import { windowOption } from "./shared/behind-window.ts";

/** `clawdlets ssh`: a session as admin, under the pinned key and nothing of the operator's own ssh settings. */
export function sshCommand(): Command {
  return new Command("ssh")
    .argument("<host>", "the host")
    .argument(
      "[command...]",
      "run this instead of a shell; put it after --. Exits with its exit code, or 255 if ssh itself fails",
    )
    .option(...windowOption)
    .addHelpText("after", "\nExamples:\n  clawdlets ssh web-1\n  clawdlets ssh web-1 -- systemctl --failed\n")
    .action(async (host: string, command: string[], options: { window?: boolean }) => {
      await withSession({ ...options, host }, async (session) => {
        const terminal = command.length === 0 && process.stdin.isTTY ? ["-t"] : [];
        process.exitCode = await attach(session, command.length === 0 ? [] : [command.join(" ")], terminal);
      });
    });
}
