import { UserError } from "../../core/base/errors.ts";
import { exitCodes } from "../../core/base/exit-codes.ts";
import type { Layout } from "../../core/project/layout.ts";
import { listStackFiles } from "../../core/project/settings/stack-file.ts";
import { readProjectFile } from "../../core/project/state/project-file.ts";
import { listStates } from "../../core/project/state/state.ts";
import { chooseFrom } from "./choose.ts";

export const allOption = ["--all", "every host with a stack file or a local state"] as const;

/**
 * Hosts that have a stack file or a state here, by their names alone: no file of theirs is opened. In a team's own program,
 * stacks are not hosts, so their state does not contain host names.
 */
export const knownHosts = (layout: Layout): string[] => {
  const states = readProjectFile(layout).stacksAreHosts ? listStates(layout) : [];
  return [...new Set([...listStackFiles(layout), ...states])].sort();
};

/**
 * The hosts a command is for, by their names alone: no file is opened, so that a broken one does not get in the way.
 * @throws UserError (usage) if no host is named, or a name is invalid
 */
export function chooseHosts(layout: Layout, { host, all }: { host?: string; all?: boolean }): string[] {
  const known = knownHosts(layout);
  if (all && host !== undefined) {
    throw new UserError("--host and --all cannot be combined: name one host, or pass --all.", {
      exitCode: exitCodes.usage,
    });
  }
  if (all) return known;
  // It goes into a label selector: nothing but a name may, which is checked there.
  return [chooseFrom(known, host, layout.stacks)];
}

/** The exit code that says most: a port that is open before anything else, then what could not be asked. */
export function worstOf(codes: readonly number[]): number {
  const order: readonly number[] = [
    exitCodes.open,
    exitCodes.unseen,
    exitCodes.unknown,
    exitCodes.api,
    exitCodes.settings,
  ];
  return order.find((code) => codes.includes(code)) ?? codes.find((code) => code !== exitCodes.ok) ?? exitCodes.ok;
}
