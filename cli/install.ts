import { Command } from "commander";
import { z } from "zod";
import { install } from "../core/bootstrap/install.ts";
import { UserError } from "../core/errors.ts";
import { exitCodes } from "../core/exit-codes.ts";
import { findLayout } from "../core/local/layout.ts";
import { loadHost } from "../core/settings/host.ts";
import { milestones, stopSignal } from "./_signals.ts";

const installFacts = z.object({
  serverId: z.number().int().positive(),
  address: z.ipv4(),
  installId: z.string().regex(/^[0-9a-f]{16}$/),
});

/** `clawdlets install`: what the stack's NixosInstall runs. */
export function installCommand(): Command {
  return new Command("install")
    .description("install NixOS on a host's server, once; run by `up`, which names the server in CLAWDLETS_FACTS")
    .requiredOption("--host <name>", "the host")
    .action(async ({ host }: { host: string }) => {
      const layout = findLayout(process.cwd());
      const { settings, local } = loadHost(layout, host, process.env);
      const facts = readFacts(installFacts);
      const result = await install({ layout, settings, local, facts, signal: stopSignal(), report: milestones() });
      process.stdout.write(`${JSON.stringify(result)}\n`);
    });
}

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

function parseJson(text: string | undefined): unknown {
  try {
    return JSON.parse(text ?? "");
  } catch {
    return undefined; // Said by the schema, with what was expected.
  }
}
