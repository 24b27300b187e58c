import { readFileSync } from "node:fs";
import { text } from "node:stream/consumers";
import { Command } from "commander";
import { z } from "zod";
import { messageOf, SettingsError, UserError } from "../core/errors.ts";
import { exitCodes } from "../core/exit-codes.ts";
import { initHost } from "../core/init.ts";
import { findLayout } from "../core/local/layout.ts";
import { engineOrSetUp } from "./_engine.ts";
import { startProgress } from "./_progress.ts";
import { openStack } from "./_stack.ts";

interface Options {
  host: string;
  fromJson?: string;
  json?: boolean;
}

/** `clawdlets init`: keys, encrypted secrets and the stack file of one host. */
export function initCommand(): Command {
  return new Command("init")
    .description(
      "make what a host still lacks: keys, passphrase, encrypted secrets, its stack file; keeps what is there",
    )
    .requiredOption("--host <name>", "the host; .clawdlets/stack.json has an entry for it")
    .option("--from-json <file>", 'the secrets in plain text as {"name": "value"}; - reads standard input')
    .option("--json", "one JSON object on stdout")
    .addHelpText(
      "after",
      "\nExamples:\n  clawdlets init --host web-1 --from-json secrets.json\n  pass show web-1 | clawdlets init --host web-1 --from-json -\n",
    )
    .action(async ({ host, fromJson, json }: Options) => {
      const layout = findLayout(process.cwd());
      const values = fromJson === undefined ? {} : await readValues(fromJson);
      const progress = startProgress();
      const engine = await engineOrSetUp(progress);
      const made = await initHost({ layout, host, values, settings: {}, sops: engine.sops, environment: process.env });
      await openStack(layout, host, engine);
      for (const path of made) progress(`made ${path}`);
      progress(
        made.length === 0
          ? `${host}: nothing was missing`
          : `${host}: ready. Commit stacks/Pulumi.${host}.yaml, then: clawdlets up --host ${host}`,
      );
      if (json) process.stdout.write(`${JSON.stringify({ ok: true, host, made })}\n`);
    });
}

async function readValues(source: string): Promise<Record<string, string>> {
  let content: unknown;
  try {
    content = JSON.parse(source === "-" ? await text(process.stdin) : readFileSync(source, "utf8"));
  } catch (error) {
    // A parser's message quotes the text, which here is secrets.
    const why = error instanceof SyntaxError ? "it is not JSON" : messageOf(error);
    throw new UserError(`--from-json ${source}: ${why}. Allowed: one object {"name": "value"}.`, {
      exitCode: exitCodes.usage,
    });
  }
  const parsed = z.record(z.string(), z.string().min(1)).safeParse(content);
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map(({ path }) => path.join("."));
  throw new SettingsError(
    problems.map((setting) => ({ where: "--from-json", setting, message: 'has to be text, as in {"name": "value"}.' })),
  );
}
