import { UserError } from "../../core/base/errors.ts";
import { exitCodes } from "../../core/base/exit-codes.ts";
import { safeText } from "../../core/base/wording.ts";
import type { Layout } from "../../core/project/layout.ts";
import { hostNameAllowed, hostNamePattern } from "../../core/project/settings/names.ts";
import { listStackFiles } from "../../core/project/settings/stack-file.ts";

export const hostOption = ["--host <name>", "the host; optional if there is only one"] as const;

/** The host a command is for: the one named, or the only one there is. */
export function chooseHost(layout: Layout, named: string | undefined): string {
  return chooseFrom(listStackFiles(layout), named, layout.stacks);
}

/** `web-1,web-1` names one host. @throws UserError (usage) for several, and for what cannot be a name */
function theOne(named: string): string {
  const [name = "", ...others] = [...new Set(named.split(",").map((each) => each.trim()))];
  const wrong = [name, ...others].find((each) => !hostNamePattern.test(each));
  if (wrong !== undefined) throw usage(`--host: "${safeText(wrong)}" is not a host name; allowed: ${hostNameAllowed}.`);
  if (others.length === 0) return name;
  throw usage(
    `--host: this command takes one host, not several (${[name, ...others].join(", ")}). Run it once for each.`,
  );
}

const usage = (message: string) => new UserError(message, { exitCode: exitCodes.usage });

/** @param where what lists them, for the message */
export function chooseFrom(hosts: readonly string[], named: string | undefined, where: string): string {
  if (named !== undefined) return theOne(named);
  const [only] = hosts;
  if (only !== undefined && hosts.length === 1) return only;
  if (hosts.length === 0) throw usage(`No hosts in ${where} yet. Add one: clawdlets init`);
  throw usage(`Which host? Name one with --host. ${where} has ${hosts.join(", ")}.`);
}
