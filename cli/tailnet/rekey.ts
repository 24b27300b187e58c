import { readFileSync } from "node:fs";
import { Command, InvalidArgumentError } from "commander";
import { UserError } from "../../core/base/errors.ts";
import { exitCodes } from "../../core/base/exit-codes.ts";
import { atPath } from "../../core/base/system-errors.ts";
import { tagsOf } from "../../core/host/tailnet/auth-key.ts";
import { linesOf } from "../../core/host/tailnet/leave.ts";
import { checkRekey, rekey } from "../../core/host/tailnet/rekey.ts";
import { findLayout } from "../../core/project/layout.ts";
import { loadHost } from "../../core/project/settings/host.ts";
import { stopSignal } from "../../engine/signals.ts";
import { withProgress } from "../screen/index.ts";
import { chooseHost, hostOption } from "../shared/choose.ts";
import { jsonOption, print, resultLines } from "../shared/output.ts";
import { reportTo } from "../shared/report.ts";

interface Options {
  host?: string;
  authKeyFile?: string;
  deadline: number;
  dryRun?: boolean;
  json?: boolean;
}

/** `clawdlets tailnet rekey`: the host becomes a new device of its tailnet. */
export function rekeyCommand(): Command {
  return new Command("rekey")
    .option(...hostOption)
    .option("--auth-key-file <file>", "join with the key in this file, instead of one that is minted")
    .option("--deadline <seconds>", "the host rolls back to its old device after 30 to 3600 seconds", deadline, 300)
    .option("--dry-run", "check credentials and this machine's client, and do not connect to the host")
    .option(...jsonOption)
    .addHelpText(
      "after",
      `
The host joins with a new key, and rolls back to its old device unless it is reached at its new address. Then the old device is deleted.
Exit codes: ${exitCodes.ok} the host is a new device, ${exitCodes.returned} it rolled back to the old one, ${exitCodes.unseen} lost contact.

Examples:
  clawdlets tailnet rekey --host web-1 --dry-run
  clawdlets tailnet rekey --host web-1
  clawdlets tailnet rekey --host web-1 --auth-key-file key.txt --json
`,
    )
    .action(async (options: Options) => {
      const layout = findLayout(process.cwd());
      const host = chooseHost(layout, options.host);
      const { settings, local } = loadHost(layout, host, process.env, { token: false });
      const authKey = options.authKeyFile === undefined ? undefined : keyIn(options.authKeyFile);
      const say = resultLines(options.json);
      const request = { layout, settings, local, authKey, signal: stopSignal() };
      if (options.dryRun) {
        await checkRekey(request);
        const tags = authKey === undefined ? tagsOf(settings) : [];
        const key =
          authKey === undefined ? `a key minted with ${tags.join(", ")}` : `the key in ${options.authKeyFile}`;
        say(`${host}: would join again with ${key}. Nothing was changed.`);
        print(options.json, { ok: true, host, dryRun: true, mints: authKey === undefined, tags });
        return;
      }
      const { tried, ...result } = await withProgress(`${host}: tailnet rekey`, {}, (progress) =>
        rekey({ ...request, deadlineSeconds: options.deadline, report: reportTo(progress, host) }),
      );
      const { device, address } = result;
      say(`${host}: is a new device${device ? `, ${device.name} (${device.id})` : ""}, at ${address}`);
      for (const line of linesOf(host, tried)) say(line);
      print(options.json, { ok: true, ...result, tried });
    });
}

/** @throws UserError (settings) if it cannot be read, or holds anything else than one key, which is not shown */
function keyIn(file: string): string {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    throw atPath(error, file);
  }
  const key = text.trim();
  if (/^((tskey-(auth|client)|hskey-auth)-[A-Za-z0-9_-]{8,400})$/.test(key)) return key;
  throw new UserError(
    { subject: file, problem: "is not one auth key; allowed: tskey-auth-… or hskey-auth-…. Nothing was changed." },
    { exitCode: exitCodes.settings },
  );
}

function deadline(text: string): number {
  const value = /^[1-9][0-9]{1,3}$/.test(text) ? Number(text) : 0;
  if (value < 30 || value > 3600) throw new InvalidArgumentError("whole seconds, 30 to 3600");
  return value;
}
