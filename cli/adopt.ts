import { resolve } from "node:path";
import { Command } from "commander";
import { UserError } from "../core/base/errors.ts";
import { exitCodes } from "../core/base/exit-codes.ts";
import { createHetzner } from "../core/base/hetzner/client.ts";
import { resourceTypes } from "../core/base/hetzner/resource-types.ts";
import { installIdOf } from "../core/host/install/install-id.ts";
import { JournalWriter } from "../core/host/journal.ts";
import { fingerprintOf } from "../core/host/reach/host-key.ts";
import { namesOf, pinHostKey } from "../core/host/reach/known-hosts.ts";
import { findLayout, hostLayoutOf, type Layout } from "../core/project/layout.ts";
import { loadHost } from "../core/project/settings/host.ts";
import { addToStackFile } from "../core/project/settings/stack-file.ts";
import { readState } from "../core/project/state/state.ts";
import { type Adoptable, type AdoptRequest, logIn, lookAtMade, runningKey } from "../core/tasks/adopt/look.ts";
import { readTofuState, tofuStateFile } from "../core/tasks/adopt/tofu-state.ts";
import { AdoptedChanges } from "../engine/adopted-changes.ts";
import { engineOrSetUp } from "../engine/environment.ts";
import { importHost } from "../engine/import.ts";
import { plannedLines } from "../engine/preview/plan/planned-text.ts";
import { preview } from "../engine/preview/with-state.ts";
import type { Progress } from "../engine/progress/progress.ts";
import { stopSignal } from "../engine/signals.ts";
import { openStack } from "../engine/stack.ts";
import { startProgress } from "./screen/index.ts";
import { askLine, canAsk } from "./shared/ask.ts";
import { chooseHost } from "./shared/choose.ts";
import { printJson, resultLines } from "./shared/output.ts";

interface Options {
  host?: string;
  tfstate?: string;
  hostKey?: string;
  yes?: boolean;
  json?: boolean;
}

/** `clawdlets adopt`: a host that upstream's OpenTofu made becomes a stack of this project. */
export function adoptCommand(): Command {
  return new Command("adopt")
    .option("--host <name>", "the host; optional if there is only one")
    .option("--tfstate <file>", "OpenTofu's state", tofuStateFile)
    .option("--host-key <fingerprint>", "the running host's key, SHA256:…; with --yes, skips the question")
    .option("--yes", "do not ask for confirmation")
    .option("--json", "print one JSON object")
    .addHelpText(
      "after",
      "\nRun clawdlets init --host NAME first: it creates the stack file. To see the fingerprint, run this on the host's console:\n  ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub\n\nExamples:\n  clawdlets adopt --host web-1\n  clawdlets adopt --host web-1 --yes --host-key SHA256:tCVv…\n",
    )
    .action(adopt);
}

async function adopt(options: Options): Promise<void> {
  const layout = findLayout(process.cwd());
  const host = chooseHost(layout, options.host);
  const progress = startProgress();
  const { settings, local } = loadHost(layout, host, process.env);
  if (readState(layout, host).value?.resources.some(({ type }) => type === resourceTypes.server)) {
    throw new UserError(
      { subject: host, problem: "its stack already has a server. Nothing was changed." },
      { exitCode: exitCodes.usage },
    );
  }
  const request: AdoptRequest = { layout, settings, local, signal: stopSignal() };
  const ids = readTofuState(layout, host, resolve(layout.root, options.tfstate ?? tofuStateFile));
  const made = await lookAtMade(createHetzner(local), request, ids);
  const { serverId, firewallId, undeclared, others } = made;
  progress(`${host}: server ${serverId} at ${made.address}, behind firewall ${made.firewallName} (${firewallId})`);
  for (const rule of undeclared) progress(`${host}: this rule is in force, and the next up closes it: ${rule}`);
  if (others.length > 0) progress(`${host}: also in this state, and left alone: ${others.join(", ")}`);

  const running = await runningKey(request, made);
  await agreeOn(host, running, options);
  const systemPath = await logIn(request, running);
  await addToStackFile(layout, host, { sshHostKey: running.key }, ["sshHostKey"]);
  await pinHostKey(layout.knownHosts, namesOf(host, made.address, local.sshPort), running.key);
  // Before the stack has the server: from then on an up would install it.
  await markInstalled(request, made, systemPath);

  await importHost(
    await openStack(layout, host, await engineOrSetUp(progress), { tell: progress }),
    host,
    made,
    settings.protect,
    progress,
  );
  const changes = await foresee(layout, host, progress);
  const say = resultLines(options.json);
  say(`${host}: taken over; nothing was changed at Hetzner or on the host. Next: clawdlets up --host ${host}`);
  const addresses = made.addresses.map((address) => `'${address}'`).join(" ");
  say(
    `OpenTofu must not run on it again. Remove it: tofu -chdir=infra/opentofu state rm ${addresses}, then delete it from the .tf files.`,
  );
  const hostKey = fingerprintOf(running.key);
  const result = { ok: true, host, serverId, firewallId, hostKey, changes, closes: undeclared, leftAlone: others };
  if (options.json) printJson(result);
}

/** @throws UserError if the next up would change more than expected */
async function foresee(layout: Layout, host: string, progress: Progress): Promise<Record<string, number>> {
  const seen = new AdoptedChanges();
  const { changes, ...planned } = await preview({
    layout,
    host,
    environment: process.env,
    refresh: true,
    progress,
    watch: seen.watch,
  });
  for (const line of plannedLines(planned)) progress(`${host}: the next up ${line}`);
  const look = `For details: clawdlets preview --host ${host}`;
  if (seen.lost.length > 0) {
    throw new UserError({
      subject: host,
      problem: `is in the stack, but the next up would ${seen.lost.join(", ")}. Do not run it. ${look}.`,
    });
  }
  if (seen.unmeant.length > 0) {
    throw new UserError({
      subject: host,
      problem: `is in the stack, and nothing was changed, but the next up would change ${seen.unmeant.join(", ")}. Before you run it, declare what exists in the program (docs/compose.md, "transform"), or change it at Hetzner. ${look}.`,
    });
  }
  return changes;
}

/** Trust on first use is not safe: a person compares the fingerprint, or has compared it before. */
async function agreeOn(
  host: string,
  { address, key }: { address: string; key: string },
  options: Options,
): Promise<void> {
  const fingerprint = fingerprintOf(key);
  if (options.hostKey !== undefined) {
    if (options.hostKey === fingerprint) return;
    throw new UserError(
      {
        subject: host,
        problem: `${address} presents the key ${fingerprint}, not ${options.hostKey}. Nothing was changed.`,
      },
      {
        exitCode: exitCodes.install,
      },
    );
  }
  if (options.yes || !canAsk()) {
    throw new UserError(
      {
        subject: host,
        problem: `${address} presents the key ${fingerprint}. Compare it with the one on the console, then pass --yes --host-key ${fingerprint}`,
      },
      { exitCode: exitCodes.usage },
    );
  }
  const answer = await askLine(
    `${host} presents the key ${fingerprint} at ${address}. Is this the key on its console? Type yes: `,
  );
  if (answer !== "yes")
    throw new UserError({ subject: host, problem: "not taken over." }, { exitCode: exitCodes.usage });
}

/**
 * Writes the journal that `install` checks first, so that no run of the stack touches the host's disk. The host's own marker stays
 * missing, as writing it needs root; a machine without this journal finds no marker, and leaves the host alone, too.
 */
async function markInstalled({ layout, settings }: AdoptRequest, made: Adoptable, systemPath: string): Promise<void> {
  const { host, reinstall } = settings;
  const { serverId, address } = made;
  const installId = installIdOf({ host, serverId, reinstall });
  const journal = new JournalWriter(hostLayoutOf(layout, host).journal, { installId, serverId, address });
  await journal.diskIs("installed");
  await journal.end("done", systemPath);
}
