import { existsSync } from "node:fs";
import { join } from "node:path";
import { Command } from "commander";
import { readFolder } from "../../core/base/machine/private-files.ts";
import type { Layout } from "../../core/project/layout.ts";
import { authKeySecret, mintedMark } from "../../core/project/secrets/plan.ts";
import { secretFile } from "../../core/project/secrets/store.ts";
import { readProjectFile } from "../../core/project/state/project-file.ts";
import { type InitPlan, initSecrets, placeholdersFor, planSecrets } from "../../core/tasks/init.ts";
import { engineOrSetUp } from "../../engine/environment.ts";
import { askSecret, canAsk } from "../shared/ask.ts";
import { hostOption } from "../shared/choose.ts";
import { forHost, type SecretsCommand } from "../shared/host-secrets.ts";
import { jsonOption, print, resultLines } from "../shared/output.ts";
import { readValues } from "../shared/values.ts";

interface Options {
  host?: string;
  fromJson?: string;
  yes?: boolean;
  allowPlaceholders?: boolean;
  dryRun?: boolean;
  json?: boolean;
}

/** `clawdlets secrets init`: keys, encrypted secrets and the public facts of one host. */
export function secretsInitCommand(): Command {
  return new Command("init")
    .option(...hostOption)
    .option("--from-json <file>", 'plain-text secrets as {"name": "value"}; - reads standard input')
    .option("--yes", "overwrite existing secrets with the values given")
    .option(
      "--allow-placeholders",
      "bots' missing secrets get a placeholder, to be replaced before the host is created",
    )
    .option("--dry-run", "show what would be created, and change nothing")
    .option(...jsonOption)
    .addHelpText(
      "after",
      "\nOn a terminal it asks for missing values, without echo.\n\nExamples:\n  clawdlets secrets init --host web-1\n  pass show web-1 | clawdlets secrets init --host web-1 --from-json -\n",
    )
    .action(async (options: Options) => {
      const plan = await makeSecrets(await forHost(options.host), options);
      print(options.json, { ok: true, ...plan });
    });
}

/**
 * Also the second half of `clawdlets init`.
 * @param read what `--from-json` holds, if that was read already
 */
export async function makeSecrets(
  command: SecretsCommand,
  { fromJson, yes, allowPlaceholders = false, dryRun, json }: Options,
  read?: Record<string, string>,
): Promise<{ host: string; dryRun: boolean } & InitPlan> {
  const { store, required, facts, host, layout } = command;
  const say = resultLines(json);
  const given =
    fromJson === undefined
      ? await ask(command, json === true || dryRun === true, allowPlaceholders)
      : (read ?? (await readValues(fromJson)));
  const values = { ...mintedOf(command), ...given };
  const request = { store, required, values, overwrite: yes === true, allowPlaceholders, settings: facts };
  const plan = dryRun ? await planSecrets(request) : await initSecrets(request);
  if (!dryRun) await makeStack(command);
  for (const path of plan.make) say(dryRun ? `would make ${path}` : `made ${path}`);
  for (const path of plan.change) say(dryRun ? `would change ${path}` : `changed ${path}`);
  for (const name of plan.placeholders)
    say(`placeholder: ${name}; set it: clawdlets secrets edit ${name} --host ${host}`);
  if (plan.make.length + plan.change.length === 0) say(`${host}: nothing was missing`);
  else if (!dryRun) {
    say(`${host}: ready. Commit stacks/Pulumi.${host}.yaml, which is public; then: ${upOf(layout, host)}`);
    if (fromJson !== undefined && fromJson !== "-") say(`delete ${fromJson}: it holds your secrets in plain text`);
  }
  return { host, dryRun: dryRun === true, ...plan };
}

/** Nobody needs to make a key that each installation gets minted. */
function mintedOf({ store, required, mintsKeys }: SecretsCommand): Record<string, string> {
  const isWanted = mintsKeys && required.some(({ name }) => name === authKeySecret);
  return isWanted && !existsSync(secretFile(store, authKeySecret)) ? { [authKeySecret]: mintedMark } : {};
}

/** In a program of a team's own, its stacks decide what an `up` is of. */
const upOf = (layout: Layout, host: string): string =>
  readProjectFile(layout).stacksAreHosts
    ? `clawdlets up --host ${host}`
    : 'eval "$(npx --no-install clawdlets env)" && pulumi stack init NAME && pulumi up';

/**
 * The engine's own record of the host, so that plain `pulumi up` finds its stack; it adds its salt to the stack file. Only where a
 * stack is a host and its state is here: a program of many hosts, or with its state in a bucket, has stacks of its own.
 */
async function makeStack({ layout, host, progress }: SecretsCommand): Promise<void> {
  const { stacksAreHosts, hasLocalState } = readProjectFile(layout);
  if (!stacksAreHosts || !hasLocalState) return;
  const stacks = join(layout.state, ".pulumi", "stacks");
  if (readFolder(stacks).some((project) => existsSync(join(stacks, project, `${host}.json`)))) return;
  // Loaded only here: the engine's library takes longer to load than all the rest to run.
  const { openStack } = await import("../../engine/stack.ts");
  await openStack(layout, host, await engineOrSetUp(progress), { tell: progress });
}

/** What is missing, one question each; nothing where nobody can be asked: the check then lists it all. */
async function ask(
  command: SecretsCommand,
  quiet: boolean,
  allowPlaceholders: boolean,
): Promise<Record<string, string>> {
  const { store, required } = command;
  const values: Record<string, string> = mintedOf(command);
  if (quiet || !canAsk()) return values;
  const later = placeholdersFor({ store, required, values, allowPlaceholders });
  for (const secret of required.filter(({ name }) => !later.includes(name))) {
    const isThere = existsSync(secretFile(store, secret.name)) || values[secret.name] !== undefined;
    if (secret.kind !== "generated" && !isThere) values[secret.name] = await askSecret(secret);
  }
  return values;
}
