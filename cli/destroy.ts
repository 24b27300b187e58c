import { relative } from "node:path";
import { Command } from "commander";
import { execa } from "execa";
import { UserError } from "../core/base/errors.ts";
import { exitCodes } from "../core/base/exit-codes.ts";
import { waitForActions } from "../core/base/hetzner/actions.ts";
import { answerOf, createHetzner } from "../core/base/hetzner/client.ts";
import { HetznerApiError } from "../core/base/hetzner/errors.ts";
import { resourceTypes } from "../core/base/hetzner/resource-types.ts";
import { removePrivateFile } from "../core/base/machine/private-files.ts";
import { keepCopy } from "../core/project/copies/keep.ts";
import { findLayout, hostLayoutOf, type Layout } from "../core/project/layout.ts";
import { type LocalSettings, loadHost } from "../core/project/settings/host.ts";
import { readState } from "../core/project/state/state.ts";
import { engineEnvironment, engineOrSetUp } from "../engine/environment.ts";
import { keepState } from "../engine/good-state.ts";
import { removeLeftovers } from "../engine/leftovers.ts";
import type { Progress } from "../engine/progress/progress.ts";
import { recover } from "../engine/recover.ts";
import { runEngine } from "../engine/run.ts";
import { openStack } from "../engine/stack.ts";
import { plainOption, withProgress } from "./screen/index.ts";
import { askLine } from "./shared/ask.ts";
import { chooseHost } from "./shared/choose.ts";
import { printJson, resultLines } from "./shared/output.ts";

/** `clawdlets destroy`: deletes the server and its disk. */
export function destroyCommand(): Command {
  return new Command("destroy")
    .option("--host <name>", "the host; optional if there is only one")
    .option("--yes", "do not ask for confirmation")
    .option(...plainOption)
    .option("--json", "print one JSON object")
    .addHelpText(
      "after",
      "\nExamples:\n  clawdlets destroy --host web-1\n  clawdlets destroy --host web-1 --yes --json\n",
    )
    .action(async (options: { host?: string; yes?: boolean; plain?: boolean; json?: boolean }) => {
      const layout = findLayout(process.cwd());
      const host = chooseHost(layout, options.host);
      if (!options.yes) await confirm(host);
      await withProgress(`${host}: destroy`, options, (progress) => destroy(layout, host, progress));
      resultLines(options.json)(`${host}: destroyed; its keys and secrets are kept in .clawdlets`);
      if (options.json) printJson({ ok: true, stack: host });
    });
}

async function confirm(host: string): Promise<void> {
  if (!process.stdin.isTTY) {
    throw new UserError(
      { subject: host, problem: "destroy wipes the disk, and there is no terminal to confirm on.", fix: "Pass --yes." },
      {
        exitCode: exitCodes.usage,
      },
    );
  }
  const answer = await askLine(`This deletes the server ${host} and its disk. Type the host's name to continue: `);
  if (answer !== host) throw new UserError({ subject: host, problem: "not destroyed." }, { exitCode: exitCodes.usage });
}

/** hcloud 1.68.0 does not lift Hetzner's delete protection before it deletes: the call ends with 423 `protected`. */
async function liftProtection(layout: Layout, host: string, local: LocalSettings): Promise<void> {
  // Not from the outputs: a run that was killed half-way has none, and its server may be protected all the same.
  const resources = readState(layout, host).value?.resources ?? [];
  const id = Number(resources.find(({ type }) => type === resourceTypes.server)?.id);
  if (!Number.isInteger(id)) return;
  const what = `lift the protection of the server ${host}`;
  const hetzner = createHetzner({ endpoint: local.endpoint, token: local.token });
  const call = hetzner.POST("/servers/{id}/actions/change_protection", {
    params: { path: { id } },
    body: { delete: false, rebuild: false },
  });
  try {
    const { action } = await answerOf(what, call);
    await waitForActions(hetzner, action ? [action] : [], { what, timeoutSeconds: 60 });
  } catch (error) {
    if (!(error instanceof HetznerApiError) || error.code !== "not_found") throw error; // Gone already: nothing to lift.
  }
}

export async function destroy(layout: Layout, host: string, progress: Progress): Promise<void> {
  const engine = await engineOrSetUp(progress);
  const stack = await openStack(layout, host, engine, { tell: progress });
  const { settings, local } = loadHost(layout, host, process.env);
  await recover(stack, { layout, host, settings, local, tell: progress, removing: true });
  await liftProtection(layout, host, local);
  // Lift the engine's own protection as well: both guard against mistakes, and this was explicit.
  const env = engineEnvironment(layout, engine);
  await execa(engine.pulumi, ["state", "unprotect", "--all", "--yes", "--stack", host], {
    cwd: layout.root,
    env,
    extendEnv: false,
    reject: false,
  });
  await runEngine(host, "destroy", progress, (options) => stack.destroy(options));
  await keepState(layout, host);
  await removeLeftovers({ layout, host, local, tell: progress });
  // What it says of an installed host is over: secrets have nowhere to be sent.
  const { journal } = hostLayoutOf(layout, host);
  await removePrivateFile(journal);
  keepCopy(layout, new Set([relative(layout.dir, journal)]));
}
