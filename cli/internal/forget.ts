import { Command } from "commander";
import { findLayout } from "../../core/project/layout.ts";
import { forgetMember } from "../../core/tasks/groups/forget.ts";
import { tell } from "../shared/output.ts";

/** `clawdlets forget`: what the stack runs when it has deleted a host of a group. */
export function forgetCommand(): Command {
  return new Command("forget")
    .requiredOption("--host <name>", "a host of a group, whose server is gone")
    .addHelpText("after", "\nExamples:\n  clawdlets forget --host workers-brave-crab\n")
    .action(async ({ host }: { host: string }) => {
      const layout = findLayout(process.cwd());
      await forgetMember({ layout, host, environment: process.env, tell, now: new Date() });
    });
}
