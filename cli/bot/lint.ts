import { Command } from "commander";
import { exitCodes } from "../../core/base/exit-codes.ts";
import { problemJson, problemLine } from "../../core/base/problem.ts";
import { findLayout } from "../../core/project/layout.ts";
import { isCritical, lintBots } from "../../core/project/lint/lint.ts";
import { listBots, requireBotFolder } from "../../core/tasks/bots/show.ts";
import { jsonOption, print, resultLines } from "../shared/output.ts";

/** `clawdlets bot lint [NAME…]`: what is unsafe in the bots' folders. */
export function lintCommand(): Command {
  return new Command("lint")
    .argument("[names...]", "the bots; without one, all")
    .option(...jsonOption)
    .addHelpText(
      "after",
      "\nExits with 3 if a finding is critical.\n\nExamples:\n  clawdlets bot lint\n  clawdlets bot lint maren --json\n",
    )
    .action((names: string[], options: { json?: boolean }) => {
      const layout = findLayout(process.cwd());
      for (const name of names) requireBotFolder(layout, name);
      const bots = names.length > 0 ? names : listBots(layout).map(({ bot }) => bot);
      const findings = lintBots(layout, bots);
      const say = resultLines(options.json);
      for (const finding of findings) say(`${finding.severity.padEnd(8)} ${problemLine(finding)}`);
      if (findings.length === 0) say("nothing found");
      const ok = !findings.some(isCritical);
      const found = findings.map((finding) => ({ severity: finding.severity, ...problemJson(finding) }));
      print(options.json, { ok, findings: found });
      if (!ok) process.exitCode = exitCodes.settings;
    });
}
