import { Command } from "commander";
import { hostOption } from "../shared/choose.ts";
import { forHost } from "../shared/host-secrets.ts";
import { jsonOption, print } from "../shared/output.ts";

/** `clawdlets secrets path`: where one host's secrets are, here and there. */
export function pathCommand(): Command {
  return new Command("path")
    .option(...hostOption)
    .option(...jsonOption)
    .addHelpText(
      "after",
      "\nExamples:\n  clawdlets secrets path --host web-1\n  ls $(clawdlets secrets path --json | jq -r .local)\n",
    )
    .action(async (options: { host?: string; json?: boolean }) => {
      const { host, store, entry } = await forHost(options.host);
      const paths = { local: store.folder, remote: entry.secrets.remoteDir, identity: store.files.identity };
      if (options.json) print(true, { ok: true, host, ...paths });
      else for (const [name, path] of Object.entries(paths)) process.stdout.write(`${name}: ${path}\n`);
    });
}
