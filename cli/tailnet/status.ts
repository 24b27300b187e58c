import { Command } from "commander";
import { exitCodes } from "../../core/base/exit-codes.ts";
import { tailnetStatus } from "../../core/host/tailnet/status.ts";
import { findLayout } from "../../core/project/layout.ts";
import { hasTailnet, loadHost } from "../../core/project/settings/host.ts";
import { stopSignal } from "../../engine/signals.ts";
import { chooseHost, hostOption } from "../shared/choose.ts";
import { jsonOption, print, resultLines } from "../shared/output.ts";
import { statusLines } from "./_lines.ts";

/** `clawdlets tailnet status`: this machine's client, and every machine that has the host's name. */
export function statusCommand(): Command {
  return new Command("status")
    .option(...hostOption)
    .option(...jsonOption)
    .addHelpText(
      "after",
      "\nThe pinned host key tells the host from other machines with its name. Exits with 1 if the host does not answer.\n\nExamples:\n  clawdlets tailnet status --host web-1\n  clawdlets tailnet status --host web-1 --json | jq '.machines'\n",
    )
    .action(async (options: { host?: string; json?: boolean }) => {
      const layout = findLayout(process.cwd());
      const host = chooseHost(layout, options.host);
      const { settings, local } = loadHost(layout, host, process.env, { token: false });
      const say = resultLines(options.json);
      if (!hasTailnet(settings)) {
        say(`${host}: clawdlets:tailnet is "none"`);
        print(options.json, { ok: true, host, tailnet: "none" });
        return;
      }
      const status = await tailnetStatus({ layout, settings, local, signal: stopSignal() });
      const ok = status.client.ok && status.machines.some(({ isHost }) => isHost === true);
      for (const line of statusLines(host, status)) say(line);
      print(options.json, { ok, host, tailnet: settings.tailnet, ...status });
      if (!ok) process.exitCode = exitCodes.failed;
    });
}
