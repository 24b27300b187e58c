import { Command, InvalidArgumentError, Option } from "commander";
import { defaultDeadline, rebuild } from "../core/activation/rebuild.ts";
import { findLayout, type Layout } from "../core/local/layout.ts";
import { openSecrets } from "../core/secrets/open.ts";
import { ciphertextOf } from "../core/secrets/rotate.ts";
import { loadHost, type WantedRevision, wantedEnvironment } from "../core/settings/host.ts";
import { chooseHost } from "./_choose.ts";
import { startProgress } from "./_progress.ts";
import { stopSignal } from "./_signals.ts";

interface Options extends WantedRevision {
  host?: string;
  secrets: boolean;
  deadline: number;
  json?: boolean;
}

/** `clawdlets rebuild`, also `clawdlets server rebuild`: changes a running host. */
export function rebuildCommand(): Command {
  return new Command("rebuild")
    .description(
      "bring a running host to a commit of its repository, with the secrets that are here; never a reinstall",
    )
    .option("--host <name>", "the host; left out: the only one")
    .addOption(new Option("--rev <commit>", "this commit, 40 hex digits").conflicts("ref"))
    .addOption(new Option("--ref <name>", "this branch or tag, resolved once"))
    .option("--no-secrets", "leave the host's secrets as they are")
    .option(
      "--deadline <seconds>",
      "the host goes back unless it is reached within so many, 10 to 3600",
      seconds,
      defaultDeadline,
    )
    .option("--json", "one JSON object on stdout")
    .addHelpText(
      "after",
      "\nThe host builds and switches by itself, and goes back unless it is reached over a new connection afterwards.\nExits with 0 when the wanted system was seen to run, 9 when the host runs the former one, 10 when it was not seen.\n\nExamples:\n  clawdlets rebuild --host web-1\n  clawdlets rebuild --rev 0123456789abcdef0123456789abcdef01234567 --json\n",
    )
    .action(async (options: Options) => {
      const layout = findLayout(process.cwd());
      const host = chooseHost(layout, options.host);
      const progress = startProgress();
      const environment = { ...process.env, ...wantedEnvironment(options) };
      const { settings, local } = loadHost(layout, host, environment, { token: false });
      const secrets = options.secrets ? ciphertextHere(layout, host) : undefined;
      const report = (text: string) => progress(`${host}: ${text}`);
      const request = { layout, settings, local, secrets, deadlineSeconds: options.deadline, report };
      const result = await rebuild({ ...request, signal: stopSignal() });
      progress(`${host}: ${result.changed ? "runs" : "ran already"} ${result.systemPath}, of commit ${result.rev}`);
      if (options.json) process.stdout.write(`${JSON.stringify({ ok: true, ...result })}\n`);
    });
}

/** What the host is to have, as files; nothing is decrypted. @throws SettingsError for one that is not there */
export function ciphertextHere(layout: Layout, host: string): Record<string, string> {
  const { store, required } = openSecrets(layout, host, { environment: process.env, sops: "sops" });
  return ciphertextOf(store, required);
}

export function seconds(text: string): number {
  const value = /^[1-9][0-9]{1,3}$/.test(text) ? Number(text) : 0;
  if (value < 10 || value > 3600) throw new InvalidArgumentError("Allowed: whole seconds, 10 to 3600.");
  return value;
}
