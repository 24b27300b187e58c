import { Command } from "commander";
import { createHetzner } from "../../core/base/hetzner/client.ts";
import { findLayout } from "../../core/project/layout.ts";
import { readAccess } from "../../core/project/settings/access.ts";
import { listBaked } from "../../core/tasks/images/baked.ts";
import { jsonOption, print, resultLines } from "../shared/output.ts";
import { inWords } from "./_words.ts";

interface Options {
  host?: string;
  json?: boolean;
}

/** `clawdlets image list`: the snapshots that `image bake` has made. */
export function listCommand(): Command {
  return new Command("list")
    .option("--host <name>", "only the snapshots of this host")
    .option(...jsonOption)
    .addHelpText(
      "after",
      "\nEach snapshot COSTS MONEY by its size for as long as it exists. Unfinished ones of a killed bake are not listed: the next bake\ndeletes them.\n\nExamples:\n  clawdlets image list\n  clawdlets image list --host web-1 --json\n",
    )
    .action(async (options: Options) => {
      const layout = findLayout(process.cwd());
      const say = resultLines(options.json);
      const all = await listBaked(createHetzner(readAccess(layout, options.host ?? "", process.env)), layout);
      const images = all.filter(({ host }) => options.host === undefined || host === options.host);
      for (const image of images) say(inWords(image));
      if (images.length === 0) say("no snapshots");
      print(options.json, { ok: true, images });
    });
}
