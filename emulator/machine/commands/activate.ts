import { Buffer } from "node:buffer";
import { latin1FromBytes } from "just-bash";
import { takeOrder } from "../system/orders.ts";
import { OrderRefused } from "../system/refusals.ts";
import type { CommandContext, CommandTable, ExecResult, Session } from "./context.ts";
import { failed, ok } from "./context.ts";

/** As sudoers has it, without arguments, where the host may be rebuilt. */
export const ACTIVATE = "/run/current-system/sw/bin/clawdlets-activate";

/** The stand-in for nix/host/activate.sh: one test holds both to the same cases. Each second is a twentieth of one. */
function activate(args: string[], context: CommandContext, { user, machine, fs }: Session): ExecResult {
  if (user.uid !== 0) return failed("clawdlets-activate: must be run as root");
  const input = Buffer.from(latin1FromBytes(context.stdin), "latin1").toString();
  const order = input.split("\n")[0]?.slice(0, 800) ?? "";
  try {
    if (args.length > 0) throw new OrderRefused("unknown-order", "it takes no arguments");
    if (input === "") throw new OrderRefused("unknown-order", "no order on standard input");
    return ok(takeOrder(machine, fs.tree, order));
  } catch (error) {
    if (!(error instanceof OrderRefused)) throw error;
    const { code, message } = error;
    const said = `clawdlets-activate: code ${code}\nclawdlets-activate: refused, nothing changed: ${message}`;
    return failed(said, code === "too-early" ? 3 : 1);
  }
}

export const activateCommands: CommandTable = { "clawdlets-activate": activate };
