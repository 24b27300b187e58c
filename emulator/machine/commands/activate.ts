import { Buffer } from "node:buffer";
import { latin1FromBytes } from "just-bash";
import { OrderRefused, takeOrder } from "../switching.ts";
import type { CommandContext, CommandTable, ExecResult, Session } from "./context.ts";
import { failed, ok } from "./context.ts";

/** As sudoers has it, without arguments, where the host may be rebuilt. */
export const ACTIVATE = "/run/current-system/sw/bin/clawdlets-activate";

/** The stand-in for nix/host/activate.sh: the same orders, refusals and phases; each second is a twentieth of one. */
function activate(args: string[], context: CommandContext, { user, host, fs }: Session): ExecResult {
  if (user.uid !== 0) return failed("clawdlets-activate: must be run as root");
  const order = Buffer.from(latin1FromBytes(context.stdin), "latin1").toString().split("\n")[0] ?? "";
  try {
    if (args.length > 0) throw new OrderRefused("it takes no arguments");
    return ok(takeOrder(host, fs.tree, order));
  } catch (error) {
    if (!(error instanceof OrderRefused)) throw error;
    return failed(`clawdlets-activate: refused, nothing changed: ${error.message}`, error.isTooEarly ? 3 : 1);
  }
}

export const activateCommands: CommandTable = { "clawdlets-activate": activate };
