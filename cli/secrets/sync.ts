import { Command } from "commander";
import { SettingsError } from "../../core/base/errors.ts";
import { deliverOver } from "../../core/host/delivery/send-secrets.ts";
import { findRoute, noRoute } from "../../core/host/reach/route.ts";
import { checkLocalFolder } from "../../core/project/hygiene.ts";
import { checkHostSecrets } from "../../core/project/secrets/check.ts";
import { ciphertextOf } from "../../core/project/secrets/ciphertext.ts";
import { loadHost } from "../../core/project/settings/host.ts";
import { stopSignal } from "../../engine/signals.ts";
import { hostOption } from "../shared/choose.ts";
import { leavesWhenStopped } from "../shared/ending.ts";
import { forHost } from "../shared/host-secrets.ts";
import { jsonOption, print, resultLines } from "../shared/output.ts";

interface Options {
  host?: string;
  dryRun?: boolean;
  json?: boolean;
}

/** `clawdlets secrets sync`: the host gets what is here. */
export function syncCommand(): Command {
  return new Command("sync")
    .option(...hostOption)
    .option("--dry-run", "show what would be sent, and do not connect")
    .option(...jsonOption)
    .addHelpText(
      "after",
      "\nExamples:\n  clawdlets secrets sync --host web-1 --dry-run\n  clawdlets secrets sync --host web-1\n",
    )
    .action(async (options: Options) => {
      const { layout, host, store, required } = await forHost(options.host);
      const say = resultLines(options.json);
      const { settings, local } = loadHost(layout, host, process.env, { token: false });
      const check = {
        layout,
        host: store.files,
        hostName: host,
        recipient: settings.ageRecipient,
        secretsDir: store.folder,
        required,
        sops: store.sops,
      };
      const problems = [...(await checkLocalFolder(layout)), ...(await checkHostSecrets(check))];
      if (problems.length > 0) throw new SettingsError(problems);
      const files = ciphertextOf(store, required);
      const names = Object.keys(files);
      if (options.dryRun) {
        say(`${host}: would send ${names.join(", ")}`);
        print(options.json, { ok: true, host, dryRun: true, secrets: names });
        return;
      }
      const signal = stopSignal();
      const found = await findRoute({ layout, settings, local, signal });
      if (!found.route) throw noRoute(host, found, "Nothing was sent.");
      leavesWhenStopped(
        `${host} has either these secrets or its former ones, never a mix. Run the same command again.`,
      );
      const { changed, recipient } = await deliverOver(found.route, host, signal)({ files });
      say(
        changed
          ? `${host}: secrets updated; its services were notified`
          : `${host}: already up to date; nothing was changed`,
      );
      print(options.json, { ok: true, host, changed, recipient, secrets: names });
    });
}
