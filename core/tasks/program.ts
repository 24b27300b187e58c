import { existsSync } from "node:fs";
import { relative } from "node:path";
import { messageOf, SettingsError, UserError } from "../base/errors.ts";
import { exitCodes } from "../base/exit-codes.ts";
import { type Adoption, adoptionKey, readAdoption } from "../base/hetzner/adopt.ts";
import { createHetzner } from "../base/hetzner/client.ts";
import { isAtHetzner } from "../base/hetzner/existing.ts";
import type { Environment } from "../base/machine/environment.ts";
import { type WantedConfiguration, wantedConfiguration } from "../host/activation/wanted.ts";
import { readSecretSources } from "../host/delivery/upstream-secrets.ts";
import { readBootstrapKeys } from "../host/install/bootstrap-keys.ts";
import { installIdOf } from "../host/install/install-id.ts";
import { inStackFile, preflight } from "../host/install/preflight.ts";
import type { BootstrapKeys } from "../host/install/user-data.ts";
import { type Journal, readJournal } from "../host/journal.ts";
import { knownServer } from "../host/reach/made-elsewhere.ts";
import type { Placement } from "../host/server/choices.ts";
import { hasPool, wantedType } from "../host/server/choices.ts";
import { monthlyLimit } from "../host/server/cost-limit.ts";
import { addressChangeProblems, checkIpv6Route } from "../host/server/ipv6-only.ts";
import { checkNewServer } from "../host/server/new-server.ts";
import { choosePlacement, unaskedPlacement } from "../host/server/placement.ts";
import { ensureOn, findServer } from "../host/server/power.ts";
import type { ResizeGuard } from "../host/server/resize-guard.ts";
import { checkTypeChange } from "../host/server/type-change.ts";
import { findLayout, hostLayoutOf, type Layout } from "../project/layout.ts";
import { checkRecipients } from "../project/secrets/check.ts";
import { requiredSecrets } from "../project/secrets/required.ts";
import { completeSettings, type HostSettings, type LocalSettings, readLocal } from "../project/settings/host.ts";
import { providerProblems } from "../project/settings/provider-config.ts";
import { checkStackConfig } from "../project/settings/stack-config/check.ts";
import { configNamespace } from "../project/settings/stack-config/stack-config.ts";
import { readStackFile } from "../project/settings/stack-file.ts";
import { type KnownServer, readHostState, readState } from "../project/state/state.ts";

/** Inputs of the Pulumi program, passed in so that tests can replace them. */
export interface ProgramContext {
  /** The stack's name, which is also the host's name. */
  stack: string;
  /** Every configuration value of the stack, keys with namespace. @default those of `stacks/Pulumi.<stack>.yaml` */
  config?: Readonly<Record<string, string>>;
  folder: string;
  environment: Environment;
  /** True in a preview, which has to work with nothing but the files in git. */
  dryRun: boolean;
  /** True if an update writes `config` to the host's files first, as for a host of a group. @default `false` */
  writtenByUpdate?: boolean;
}

/** The arguments for `Host`. */
export interface Program {
  settings: HostSettings;
  adminCidrs?: string[];
  bootstrapKeys?: BootstrapKeys;
  beforeCreate: () => Promise<void>;
  /** Checks a change of the server's type; omitted without a token. */
  resizeGuard?: ResizeGuard;
  /** The configuration that the running host is switched to; omitted if the stack leaves it alone. */
  configuration?: WantedConfiguration;
  /** Existing resources at Hetzner that this run imports. */
  adopt: Adoption;
  /** What the server's type and location are drawn from; omitted if the settings leave no choice. */
  placement?: Placement;
  /** Warnings to show before a person confirms, a sentence each. */
  warnings: string[];
}

/**
 * Loads and checks the settings of the running stack, from the stack file and, if it exists, `.clawdlets/`. Also checks that each
 * secret exists and is encrypted to the recipient in the stack file, which needs no key.
 * @throws SettingsError with all problems at once, before anything is registered
 */
export async function loadProgram({
  stack,
  config,
  folder,
  environment,
  dryRun,
  ...rest
}: ProgramContext): Promise<Program> {
  const layout = findLayout(folder);
  const host = hostLayoutOf(layout, stack);
  const checked = config
    ? checkedConfig(config, relative(layout.root, host.stackFile), stack)
    : readStackFile(layout, stack);
  // A preview needs no token.
  const needs = { token: !dryRun, agreement: rest.writtenByUpdate !== true };
  const local =
    existsSync(layout.dir) || !dryRun ? readLocal(layout, stack, environment, checked.value, needs) : { problems: [] };
  const problems = [...checked.problems, ...local.problems];
  if (checked.value && local.value) {
    const { secretsDir } = local.value;
    const required = readSecretSources(layout, host, local.value, requiredSecrets(layout, checked.value)).local;
    const recipient = checked.value.ageRecipient;
    problems.push(...checkRecipients({ layout, host, hostName: stack, recipient, secretsDir, required }));
  }
  if (problems.length > 0 || !checked.value) throw new SettingsError(problems);

  const settings = completeSettings(stack, checked.value);
  const server = await knownServer(layout, stack, local.value);
  const fixed = addressChangeProblems(settings, server);
  if (fixed.length > 0) throw new SettingsError(fixed);
  const guard = local.value?.token ? resizeGuardOf(layout, settings, local.value) : undefined;
  if (!dryRun && guard) await refuseResize(server, settings, guard);
  const unasked = dryRun && local.value?.token && !server ? await refuseNew(layout, settings, local.value) : undefined;
  // A preview that could not ask just now does not ask again.
  const asked = unasked === undefined ? local.value : undefined;
  const placement = hasPool(settings) ? await placementOf(layout, settings, asked) : undefined;
  const configuration = await wantedConfiguration(layout, settings, local.value);
  const interrupted = halfMade(layout, stack);
  const bootstrapKeys = readBootstrapKeys(host, !dryRun);
  // The admin networks are local. Without them, as in CI, use a documentation network (RFC 5737) as a placeholder, so that a
  // preview against another revision shows which rule is new. HostFirewall would otherwise omit its rules.
  const isUnknown = dryRun && !local.value && settings.sshExposure === "public";
  const adminCidrs = local.value?.adminCidrs ?? (isUnknown ? ["192.0.2.0/24"] : undefined);
  return {
    settings,
    warnings: [
      ...wipes(readJournal(host.journal), settings),
      ...(interrupted ? [interrupted] : []),
      ...(unasked ? [unasked] : []),
    ],
    ...(adminCidrs && { adminCidrs }),
    ...(bootstrapKeys && { bootstrapKeys }),
    ...(configuration && { configuration }),
    ...(guard && { resizeGuard: guard }),
    ...(placement && { placement }),
    adopt: readAdoption(environment[adoptionKey]),
    async beforeCreate() {
      const found = local.value
        ? await preflight({ layout, settings, local: local.value, sops: "sops" })
        : local.problems;
      if (found.length > 0) throw new SettingsError(found);
    },
  };
}

function resizeGuardOf(layout: Layout, { host }: HostSettings, local: LocalSettings): ResizeGuard {
  const hetzner = createHetzner({ endpoint: local.endpoint, token: local.token });
  return {
    async before({ serverId, to }) {
      const server = await findServer(hetzner, serverId);
      if (!server) return [];
      const { problems, effects } = await checkTypeChange(hetzner, server, to, monthlyLimit(layout));
      if (problems.length > 0) throw new SettingsError(inStackFile(host, problems));
      return effects;
    },
    async failed(serverId) {
      const server = await findServer(hetzner, serverId);
      if (!server || !(await ensureOn(hetzner, server))) return undefined;
      return "the server had been left off and was switched on again";
    },
  };
}

/**
 * Makes a preview refuse what `up` would refuse before it buys a server: type, location, price.
 * @returns a warning if Hetzner does not answer: the preview then continues without this check
 */
async function refuseNew(layout: Layout, settings: HostSettings, local: LocalSettings): Promise<string | undefined> {
  const hetzner = createHetzner({ ...local, limits: { attempts: 2, maxWaitSeconds: 2 } });
  try {
    const [found, route] = await Promise.all([
      checkNewServer(hetzner, settings, monthlyLimit(layout)),
      checkIpv6Route(settings, local),
    ]);
    const problems = [...inStackFile(settings.host, found), ...route];
    if (problems.length > 0) throw new SettingsError(problems);
    return undefined;
  } catch (error) {
    if (!(error instanceof UserError) || error.exitCode !== exitCodes.api) throw error;
    return `${settings.host}: could not check if Hetzner sells ${settings.serverType} in ${(settings.locations ?? [settings.location]).join(" or ")}: ${messageOf(error)}`;
  }
}

/**
 * Chooses among the locations and types that are in stock; without a token, as in CI, all of them are candidates.
 * @throws SettingsError if nothing fits, before anything is registered
 */
async function placementOf(
  layout: Layout,
  settings: HostSettings,
  local: LocalSettings | undefined,
): Promise<Placement> {
  if (!local?.token) return unaskedPlacement(settings);
  const hetzner = createHetzner({ endpoint: local.endpoint, token: local.token });
  const state = readHostState(layout, settings.host).value;
  const { placement, problems } = await choosePlacement(hetzner, settings, state, monthlyLimit(layout));
  if (problems.length > 0) throw new SettingsError(inStackFile(settings.host, problems));
  return placement;
}

/** Runs before anything is registered: the engine would change the firewall before it gets to the server. */
async function refuseResize(known: KnownServer | undefined, settings: HostSettings, guard: ResizeGuard): Promise<void> {
  const to = wantedType(settings, known?.serverType);
  if (known?.serverType === undefined || known.serverType === to) return;
  await guard.before({ serverId: known.id, from: known.serverType, to });
}

/** Warns if the stack requests a new installation of a server that this machine has installed. */
function wipes(journal: Journal | undefined, { host, reinstall }: HostSettings): string[] {
  if (journal?.state !== "done") return [];
  const { serverId, installId } = journal;
  if (installIdOf({ host, serverId, reinstall }) === installId) return [];
  return [
    `${host}: clawdlets:reinstall is ${reinstall}, which differs from the existing installation ${installId}: "up" WIPES THE DISK of this server and installs NixOS from scratch, with the same addresses.`,
  ];
}

/**
 * Warns about creations at Hetzner that a killed run started without seeing the result. The engine would create them again and, at
 * best, fail because the name is taken; `clawdlets up` imports existing resources before it starts the engine. Only visible in a
 * preview: an update refreshes first, which drops pending operations; then the failure itself says what to do
 * (components/internal/host-hooks.ts).
 */
function halfMade(layout: Layout, host: string): string | undefined {
  const { pending = [] } = readState(layout, host).value ?? {};
  const made = pending.filter(({ type, resource }) => type === "creating" && isAtHetzner(resource.type));
  if (made.length === 0) return undefined;
  const names = made.map(({ resource }) => resource.urn.split("::").at(-1)).join(", ");
  return `${host}: the last run was killed while creating ${names}, which may exist now. Run "clawdlets up --host ${host}": it imports what exists instead of creating it twice.`;
}

function checkedConfig(config: Readonly<Record<string, string>>, where: string, stack: string) {
  const checked = checkStackConfig(ownKeys(config), where);
  return { ...checked, problems: [...checked.problems, ...providerProblems(Object.keys(config), where, stack)] };
}

function ownKeys(config: Readonly<Record<string, string>>): Record<string, string> {
  const prefix = `${configNamespace}:`;
  const own = Object.entries(config).filter(([key]) => key.startsWith(prefix));
  return Object.fromEntries(own.map(([key, value]) => [key.slice(prefix.length), value]));
}
