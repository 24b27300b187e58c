import { UserError } from "../../base/errors.ts";
import { exitCodes } from "../../base/exit-codes.ts";
import { didYouMean } from "../../base/nearest.ts";
import { safeText } from "../../base/wording.ts";
import type { Operator } from "../../project/secrets/keys/operators.ts";

/** @throws UserError (usage) for an unknown one, with those that there are */
export function findOperator(known: readonly Operator[], name: string): Operator {
  const found = known.find((each) => each.name === name);
  if (found) return found;
  const names = known.map((each) => each.name);
  const there = names.length === 0 ? "none is recorded" : `allowed: ${names.join(", ")}`;
  throw new UserError(
    {
      code: "invalid-value",
      subject: "the command line",
      setting: "name",
      problem: `there is no operator "${safeText(name, 60)}"${didYouMean(name, names)}; ${there}.`,
      fix: "List them: clawdlets operator list",
    },
    { exitCode: exitCodes.usage },
  );
}
