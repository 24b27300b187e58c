import { Command } from "commander";
import { UserError } from "../../core/base/errors.ts";
import { rebuild } from "../../core/host/activation/rebuild.ts";
import { findLayout } from "../../core/project/layout.ts";
import { loadHost } from "../../core/project/settings/host.ts";
import { stopSignal } from "../../engine/signals.ts";
import { plainOption, withProgress } from "../screen/index.ts";
import { windowOption } from "../shared/behind-window.ts";
import { chooseHost, hostOption } from "../shared/choose.ts";
import { jsonOption, printJson, resultLines } from "../shared/output.ts";
import { reportTo } from "../shared/report.ts";
import { seconds } from "../shared/seconds.ts";
import { type ServerOptions, withSession } from "./_session.ts";

const list = "sudo -n /run/current-system/sw/bin/nix-env --list-generations --profile /nix/var/nix/profiles/system";

export function generationsCommand(): Command {
  return new Command("generations")
    .option(...hostOption)
    .option(...windowOption)
    .option(...jsonOption)
    .addHelpText("after", "\nExamples:\n  clawdlets server generations --host web-1\n")
    .action((options: ServerOptions) =>
      withSession(options, async ({ host, run }) => {
        const { exitCode, stdout, stderr } = await run(list);
        if (exitCode !== 0)
          throw new UserError({ subject: host, problem: `its generations could not be listed: ${stderr.trim()}` });
        const generations = parseGenerations(stdout);
        const say = resultLines(options.json);
        for (const { number, at, current } of generations) say(`${number}  ${at}${current ? "  runs at boot" : ""}`);
        if (options.json) printJson({ ok: true, host, generations });
      }),
    );
}

/** Lines of `nix-env --list-generations`. */
export function parseGenerations(text: string): { number: number; at: string; current: boolean }[] {
  return text.split("\n").flatMap((line) => {
    const [, number, at, rest = ""] = /^\s*(\d+)\s+(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)\s*(.*)$/.exec(line) ?? [];
    return number === undefined || at === undefined
      ? []
      : [{ number: Number(number), at, current: rest.includes("(current)") }];
  });
}

export function rollbackCommand(): Command {
  return new Command("rollback")
    .option(...hostOption)
    .option("--deadline <seconds>", "seconds until the host switches back unless it is reached, 10 to 3600", seconds)
    .option(...plainOption)
    .option(...jsonOption)
    .addHelpText(
      "after",
      "\nSecrets do not change. The exit codes are those of `rebuild`.\n\nExamples:\n  clawdlets server rollback --host web-1\n",
    )
    .action(async (options: ServerOptions & { deadline?: number; plain?: boolean }) => {
      const layout = findLayout(process.cwd());
      const host = chooseHost(layout, options.host);
      const reach = { layout, ...loadHost(layout, host, process.env, { token: false }) };
      const asked = { rev: "previous", deadlineSeconds: options.deadline, signal: stopSignal() };
      const result = await withProgress(`${host}: rollback`, options, (progress) =>
        rebuild({ ...reach, ...asked, report: reportTo(progress, host) }),
      );
      resultLines(options.json)(`${host}: runs ${result.systemPath}`);
      if (options.json) printJson({ ok: true, ...result });
    });
}
