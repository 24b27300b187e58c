import { Command, Option } from "commander";
import { z } from "zod";
import { UserError } from "../../core/base/errors.ts";
import { exitCodes } from "../../core/base/exit-codes.ts";
import { install } from "../../core/host/install/install.ts";
import { type Standing, standingOf, standingText } from "../../core/host/install/interrupted.ts";
import { type Journal, readJournal } from "../../core/host/journal.ts";
import { findLayout, hostLayoutOf } from "../../core/project/layout.ts";
import { loadHost, type WantedRevision, wantedEnvironment } from "../../core/project/settings/host.ts";
import { milestones, stopSignal, stopWhenOrphaned } from "../../engine/signals.ts";
import { chooseHost } from "../shared/choose.ts";
import { printJson, resultLines } from "../shared/output.ts";
import { readFacts } from "../shared/stack-facts.ts";

const installFacts = z.object({
  serverId: z.number().int().positive(),
  address: z.union([z.ipv4(), z.ipv6()]),
  installId: z.string().regex(/^[0-9a-f]{16}$/),
});

interface Options extends WantedRevision {
  host?: string;
  resume?: boolean;
  status?: boolean;
  json?: boolean;
}

/** `clawdlets install`: what the stack's NixosInstall runs. */
export function installCommand(): Command {
  return new Command("install")
    .option("--host <name>", "the host; optional if there is only one")
    .option("--resume", "continue the installation in this machine's journal, without the engine")
    .addOption(new Option("--rev <commit>", "install the flake at this commit, 40 hex digits").conflicts("ref"))
    .addOption(new Option("--ref <name>", "install the flake at this branch or tag"))
    .option("--status", "show how far the last installation got, and change nothing")
    .option("--json", "with --status: print one JSON object")
    .addHelpText(
      "after",
      "\nExamples:\n  clawdlets install --status --host web-1\n  clawdlets install --resume --host web-1\n",
    )
    .action(async (options: Options) => {
      const layout = findLayout(process.cwd());
      const host = chooseHost(layout, options.host);
      const journal = readJournal(hostLayoutOf(layout, host).journal);
      if (options.status) {
        const { kind } = await standingOf(hostLayoutOf(layout, host));
        showStatus(host, journal, kind, options.json === true);
        return;
      }
      const { settings, local } = loadHost(layout, host, { ...process.env, ...wantedEnvironment(options) });
      const facts = options.resume ? resumed(host, journal) : readFacts(installFacts);
      const signal = stopSignal({ forEngine: true });
      if (!options.resume) stopWhenOrphaned();
      const result = await install({
        layout,
        settings,
        local,
        facts,
        signal,
        report: milestones(),
      });
      printJson(result);
    });
}

/** The facts of the last installation, as its journal has them. @throws UserError when there is none */
function resumed(host: string, journal: Journal | undefined): z.infer<typeof installFacts> {
  if (journal) return { serverId: journal.serverId, address: journal.address, installId: journal.installId };
  throw new UserError(
    {
      subject: host,
      problem: `no installation was started from this machine. Start one: clawdlets up --host ${host}`,
    },
    {
      exitCode: exitCodes.usage,
    },
  );
}

function showStatus(host: string, journal: Journal | undefined, standing: Standing["kind"], json: boolean): void {
  if (json) printJson({ ok: true, host, installation: journal ? { ...journal, standing } : null });
  const say = resultLines(json);
  if (!journal) {
    say(`${host}: never installed from this machine`);
    return;
  }
  const { installId, address, steps, startedAt, endedAt, seen, flake, systemPath, disk } = journal;
  say(
    `${host}: installation ${installId} on ${address}: ${standingText[standing]}, begun ${startedAt}${endedAt ? `, ended ${endedAt}` : ""}`,
  );
  for (const { step, at, text } of steps) say(`  ${at}  ${step.padEnd(8)} ${text}`);
  if (standing !== "done") say(`  disk: ${disk}; continue: clawdlets up --host ${host}`);
  if (seen.after !== undefined) say(`  TCP/22 afterwards: ${seen.after}`);
  if (flake !== undefined) say(`  flake: ${flake}`);
  if (systemPath !== undefined) say(`  system: ${systemPath}`);
}
