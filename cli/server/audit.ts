import { Command } from "commander";
import { exitCodes } from "../../core/base/exit-codes.ts";
import { problemLine } from "../../core/base/problem.ts";
import { withoutHost } from "../../core/base/wording.ts";
import { auditFindings } from "../../core/host/facts/audit.ts";
import { inForceFindings } from "../../core/host/facts/in-force/findings.ts";
import { readInForce } from "../../core/host/facts/in-force/read.ts";
import { readFacts } from "../../core/host/facts/server-facts.ts";
import { readJournal } from "../../core/host/journal.ts";
import { hostLayoutOf, type Layout } from "../../core/project/layout.ts";
import { requiredSecrets } from "../../core/project/secrets/required.ts";
import { windowOption } from "../shared/behind-window.ts";
import { hostOption } from "../shared/choose.ts";
import { jsonOption, printJson, resultLines } from "../shared/output.ts";
import { type ServerOptions, type Session, withSession } from "./_session.ts";

export function auditCommand(): Command {
  return new Command("audit")
    .option(...hostOption)
    .option(...windowOption)
    .option(...jsonOption)
    .addHelpText(
      "after",
      "\nRead on the host: sshd -T, nft, tailscale, listening sockets, owners and modes of secrets. To check that it is closed: clawdlets verify\n\nExamples:\n  clawdlets server audit --host web-1 --json\n",
    )
    .action((options: ServerOptions) =>
      withSession(options, async (session) => {
        const { host, layout, settings } = session;
        const findings = auditFindings(await readFacts(session, settings.bots), {
          host,
          installId: readJournal(hostLayoutOf(layout, host).journal)?.installId,
          missingSecrets: await notDecrypted(layout, session),
        });
        const inForce = inForceFindings(await readInForce(host, session.run), settings);
        const say = resultLines(options.json);
        for (const { what, ok, found } of findings) say(`${ok ? "ok   " : "WRONG"} ${what.padEnd(12)} ${found}`);
        for (const [what, problems] of Object.entries(inForce)) {
          if (problems.length === 0) say(`ok    ${what.padEnd(12)} as the modules put it in force`);
          for (const problem of problems) say(`WRONG ${what.padEnd(12)} ${withoutHost(host, problemLine(problem))}`);
        }
        const problems = Object.values(inForce).flat();
        const ok = findings.every((each) => each.ok) && problems.length === 0;
        if (options.json) printJson({ ok, host, findings, problems });
        if (!ok) process.exitCode = exitCodes.failed;
      }),
    );
}

/** The folders may be entered but not listed, so each name is tried. */
async function notDecrypted(layout: Layout, { run, settings }: Session): Promise<string[]> {
  const names = requiredSecrets(layout, settings).map(({ name }) => name);
  const tests = names.map(
    (name) => `[ -e /run/secrets/${name} ] || [ -e /run/secrets-for-users/${name} ] || echo ${name}`,
  );
  const { stdout } = await run(tests.join("; "));
  return stdout.split("\n").filter((line) => line !== "");
}
