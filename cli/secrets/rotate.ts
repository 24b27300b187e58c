import { Command, Option } from "commander";
import { UserError } from "../../core/base/errors.ts";
import { exitCodes } from "../../core/base/exit-codes.ts";
import { deliverOver } from "../../core/host/delivery/send-secrets.ts";
import { isInstalled } from "../../core/host/reach/made-elsewhere.ts";
import { findRoute, noRoute } from "../../core/host/reach/route.ts";
import { findLayout, type Layout } from "../../core/project/layout.ts";
import type { Deliver } from "../../core/project/secrets/deliver.ts";
import { loadHost } from "../../core/project/settings/host.ts";
import { rotateIdentity } from "../../core/tasks/secrets/rotate.ts";
import { addSystemKey } from "../../core/tasks/secrets/rotate-signing-key.ts";
import { stopSignal } from "../../engine/signals.ts";
import { chooseHost, hostOption } from "../shared/choose.ts";
import { leavesWhenStopped } from "../shared/ending.ts";
import { forHost } from "../shared/host-secrets.ts";
import { jsonOption, print, resultLines } from "../shared/output.ts";

interface Options {
  host?: string;
  notInstalled?: boolean;
  signingKey?: boolean;
  json?: boolean;
}

/** `clawdlets secrets rotate`: a new age identity for one host. */
export function rotateCommand(): Command {
  return new Command("rotate")
    .option(...hostOption)
    .option(
      "--not-installed",
      "the host does not exist yet, or no longer; it gets the new identity when it is installed",
    )
    .addOption(
      new Option(
        "--signing-key",
        "instead, add a second key that signs the host's systems to its stack file (docs/day-two.md)",
      ).conflicts("notInstalled"),
    )
    .option(...jsonOption)
    .addHelpText(
      "after",
      "\nThe values of the secrets do not change. If a token may have leaked, replace it at its provider.\n\nExamples:\n  clawdlets secrets rotate --host web-1\n  clawdlets secrets rotate --signing-key --host web-1\n",
    )
    .action(async (options: Options) => {
      if (options.signingKey) return rotateSigningKey(options);
      const { layout, host, store, required, progress } = await forHost(options.host);
      const signal = stopSignal();
      const hasHost = !options.notInstalled && (await hostExists(layout, host, signal));
      const deliver = hasHost ? await delivery(layout, host, signal) : undefined;
      if (hasHost) leavesWhenStopped(`${host} may have the new identity already.`);
      const result = await rotateIdentity({ store, required, deliver, report: progress });
      const say = resultLines(options.json);
      say(`${host}: ${result.to} replaces ${result.from}${hasHost ? "" : "; no host was updated"}`);
      if (result.retired !== undefined)
        say(`the old identity is kept as ${result.retired}; delete it when no backup needs it`);
      say(`Commit stacks/Pulumi.${host}.yaml: it has the new recipient`);
      print(options.json, { ok: true, host, ...result });
    });
}

async function rotateSigningKey({ host: wanted, json }: Options): Promise<void> {
  const layout = findLayout(process.cwd());
  const host = chooseHost(layout, wanted);
  const { publicKey } = await addSystemKey(layout, host);
  const say = resultLines(json);
  say(`${host}: added ${publicKey} to stacks/Pulumi.${host}.yaml`);
  say(`Commit and push it, then: clawdlets rebuild --host ${host}; then remove the first key from the stack file`);
  print(json, { ok: true, host, publicKey });
}

/** @throws UserError (usage) if nobody can say: a running host that keeps its old identity could not read its secrets any more */
async function hostExists(layout: Layout, host: string, signal: AbortSignal): Promise<boolean> {
  const installed = await isInstalled(layout, host, process.env, signal);
  if (installed !== undefined) return installed;
  throw new UserError(
    {
      subject: host,
      problem: "another machine may have installed it, and Hetzner could not be asked. Nothing was changed.",
      fix: "Put HCLOUD_TOKEN into .clawdlets/.env, or pass --not-installed if the host does not exist.",
    },
    { exitCode: exitCodes.usage },
  );
}

async function delivery(layout: Layout, host: string, signal: AbortSignal): Promise<Deliver> {
  const { settings, local } = loadHost(layout, host, process.env, { token: false });
  const found = await findRoute({ layout, settings, local, signal });
  if (!found.route) throw noRoute(host, found, "If the host no longer exists, pass --not-installed.");
  return deliverOver(found.route, host, signal);
}
