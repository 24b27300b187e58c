import { Command } from "commander";
import { findLayout } from "../../core/project/layout.ts";
import { loadHost } from "../../core/project/settings/host.ts";
import { bake, checkBake } from "../../core/tasks/images/bake.ts";
import { stopSignal } from "../../engine/signals.ts";
import { withProgress } from "../screen/index.ts";
import { chooseHost, hostOption } from "../shared/choose.ts";
import { jsonOption, print, resultLines } from "../shared/output.ts";
import { reportTo } from "../shared/report.ts";

interface Options {
  host?: string;
  dryRun?: boolean;
  json?: boolean;
}

/** `clawdlets image bake`: a snapshot of a host's system without its identity. */
export function bakeCommand(): Command {
  return new Command("bake")
    .option(...hostOption)
    .option("--dry-run", "check what would be ordered, and buy nothing")
    .option(...jsonOption)
    .addHelpText(
      "after",
      `
Installs the host's committed configuration on a temporary server, without keys and secrets, makes a snapshot of its disk and deletes
the server. COSTS MONEY: the server for some minutes, and the snapshot by its size for as long as it exists. If a
bake is killed, its guard deletes the server.

Examples:
  clawdlets image bake --host web-1 --dry-run
  clawdlets image bake --host web-1
  clawdlets image bake --host web-1 --json
`,
    )
    .action(async (options: Options) => {
      const layout = findLayout(process.cwd());
      const host = chooseHost(layout, options.host);
      const { settings, local } = loadHost(layout, host, process.env);
      const say = resultLines(options.json);
      if (options.dryRun) {
        const { type, location, base } = await checkBake({ layout, settings, local });
        say(`${host}: would order a temporary ${type} in ${location} with ${base}. Nothing was bought.`);
        print(options.json, { ok: true, host, dryRun: true, type, location });
        return;
      }
      const signal = stopSignal();
      const baked = await withProgress(`${host}: image bake`, {}, (progress) => {
        const said = reportTo(progress, host, `baking ${host}`);
        return bake({ layout, settings, local, signal, report: (_, text, limit) => said(text, limit) });
      });
      const { image, diskGb, architecture } = baked;
      say(`${host}: snapshot ${image} for ${architecture} servers with a disk of ${diskGb} GB or more`);
      say(
        `In stacks/Pulumi.${host}.yaml, set clawdlets:image to "${image}", and "mode: snapshot" in clawdlets:install.`,
      );
      print(options.json, { ok: true, ...baked });
    });
}
