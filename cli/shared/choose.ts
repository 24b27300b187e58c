import { UserError } from "../../core/base/errors.ts";
import { exitCodes } from "../../core/base/exit-codes.ts";
import type { Layout } from "../../core/project/layout.ts";
import { listStackFiles } from "../../core/project/settings/stack-file.ts";

/** The host a command is for: the one named, or the only one there is. */
export function chooseHost(layout: Layout, named: string | undefined): string {
  return chooseFrom(listStackFiles(layout), named, layout.stacks);
}

/** @param where what lists them, for the message */
export function chooseFrom(hosts: readonly string[], named: string | undefined, where: string): string {
  if (named !== undefined) return named;
  const [only] = hosts;
  if (only !== undefined && hosts.length === 1) return only;
  const found = hosts.length === 0 ? "there is none yet (clawdlets init --host NAME)" : `there are ${hosts.join(", ")}`;
  throw new UserError(`Which host? Name it with --host; in ${where} ${found}.`, { exitCode: exitCodes.usage });
}
