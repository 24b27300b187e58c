import { z } from "zod";
import { UserError } from "../../core/base/errors.ts";
import { exitCodes } from "../../core/base/exit-codes.ts";
import { parseJson } from "../../core/base/text/json.ts";

/** What the stack says of the server, as JSON in the environment: public, and no part of a command line. */
export function readFacts<T extends z.ZodType>(schema: T): z.infer<T> {
  const parsed = schema.safeParse(parseJson(process.env["CLAWDLETS_FACTS"]));
  if (parsed.success) return parsed.data;
  throw new UserError(
    `CLAWDLETS_FACTS does not say which server is meant (${z.prettifyError(parsed.error)}). This command is run by the stack: use clawdlets up.`,
    {
      exitCode: exitCodes.usage,
    },
  );
}
