import { UserError } from "../../base/errors.ts";
import { exitCodes } from "../../base/exit-codes.ts";
import { takeHostLock } from "../../base/machine/file-lock.ts";
import { type HostLayout, hostLayoutOf, type Layout } from "../../project/layout.ts";
import { parseBuilder } from "../../project/settings/builder.ts";
import type { HostSettings, LocalSettings } from "../../project/settings/host.ts";
import { commitOf } from "../flake/commits.ts";
import { resolveFlake } from "../flake/flake.ts";
import { buildOnBuilder } from "../push/builder.ts";
import { buildSystem, copySystem, signSystem } from "../push/push.ts";
import { sendSource } from "../push/send-source.ts";
import { type Source, sourceFor } from "../push/source.ts";
import { checkBuildSpace } from "../push/space.ts";
import { findRoute, noRoute, type RouteOrReason } from "../reach/route.ts";
import { type SshRoute, ssh } from "../reach/ssh.ts";
import { type Activated, type Activation, activate } from "./activate.ts";
import { readActivation } from "./orders.ts";
import { findRelease, type KeptRelease, noteRelease } from "./releases.ts";
import { type Release, type ReleaseRules, signRelease, trustedKey } from "./sign.ts";

export interface Rebuild {
  layout: Layout;
  settings: HostSettings;
  local: LocalSettings;
  /** Public address, if the caller knows it. @default the one in this machine's installation journal */
  address?: string;
  /** Route to use instead of {@link findRoute}'s. */
  route?: SshRoute;
  /** 40 hex digits, `newest` or `previous`. @default the commit that the settings' flake resolves to now */
  rev?: string;
  secrets?: Readonly<Record<string, string>> | undefined;
  /** Number of a signed release to send again, instead of `rev`. */
  release?: number | undefined;
  /** Asks the host to accept an older `release`, which root has to allow at its console. @default false */
  allowDowngrade?: boolean | undefined;
  /** Seconds. @see Activation.deadlineSeconds @default `rebuild.deadline` of the settings */
  deadlineSeconds?: number | undefined;
  signal: AbortSignal;
  report: Activation["report"];
}

/** What a change ended with, and what the system was built from. */
export interface Rebuilt extends Activated {
  /** True if it was built from a work tree with files that differ from the commit. */
  dirty?: boolean;
  /** URL of the builder that built it. */
  builder?: string;
}

/**
 * Changes a running host to a commit, holding the host's lock on this machine.
 * @throws UserError @see activate
 */
export async function rebuild(request: Rebuild): Promise<Rebuilt> {
  const { layout, settings } = request;
  const { host } = settings;
  refuseDisabled(settings);
  const files = hostLayoutOf(layout, host);
  const lost = new AbortController();
  const release = await takeHostLock(files.lock, host, (error) => lost.abort(error));
  try {
    return await change({ ...request, signal: AbortSignal.any([request.signal, lost.signal]) }, files);
  } finally {
    await release();
  }
}

async function change(request: Rebuild, { releases }: HostLayout): Promise<Rebuilt> {
  const { layout, settings, signal, report } = request;
  const { host } = settings;
  const route = async (): Promise<RouteOrReason> => (request.route ? { route: request.route } : findRoute(request));
  const again = request.release === undefined ? undefined : findRelease(releases, host, request.release);
  const { rev, source } = again ? { rev: again.what, source: undefined } : await wantedSystem(request, route);
  let signed: Release | undefined = again && { ...again, downgrade: request.allowDowngrade === true };
  const sign = (what: string, rules: ReleaseRules) => {
    signed ??= signRelease(layout, { host, what, wanted: settings.systemKeys, rules });
    if (signed && !again)
      kept = {
        number: signed.number,
        signature: signed.signature,
        what,
        ...origin(what, source),
        ...(source && builtOn(settings)),
      };
    return signed;
  };
  let kept: Omit<KeptRelease, "at"> | undefined;
  const { secrets, deadlineSeconds = settings.rebuild.deadline } = request;
  const result = await activate({ host, rev, sign, route, secrets, deadlineSeconds, signal, report });
  if (kept) noteRelease(releases, kept);
  return { ...result, ...(source && { rev: source.commit ?? rev, dirty: source.dirty, ...builtOn(settings) }) };
}

function origin(what: string, source: Source | undefined) {
  const commit = source ? source.commit : what.startsWith("/") ? undefined : what;
  return { ...(commit !== undefined && { commit }), dirty: source?.dirty ?? false };
}

const builtOn = ({ rebuild: { buildOn } }: HostSettings) => (parseBuilder(buildOn) ? { builder: buildOn } : {});

/** The commit that the host is to build, a source that it has to build, or a system that was built elsewhere and is on the host. */
async function wantedSystem(
  request: Rebuild,
  route: () => Promise<RouteOrReason>,
): Promise<{ rev: string; source?: Source }> {
  const { layout, settings, local, rev } = request;
  if (rev === "previous") return { rev };
  const { buildOn, source: way } = settings.rebuild;
  if (buildOn !== "host" || way === "send") {
    const source = await sourceFor(layout, settings, local, rev === undefined ? local.wanted : { rev });
    const push = buildOn === "host" ? sentSource : pushedSystem;
    return { rev: await push(request, source, route), source };
  }
  const commit = rev ?? commitOf(settings, await resolveFlake(layout, settings, local));
  const found = await route();
  if (found.route) await checkSpaceOn(found.route, request);
  return { rev: commit };
}

async function checkSpaceOn(route: SshRoute, { settings, signal, report }: Rebuild): Promise<void> {
  const run = (command: string) => ssh(route, command, { timeoutSeconds: 20, signal });
  await checkBuildSpace(settings.host, run, report);
}

/** Fetches a source here and copies it to the host. @returns what the host is to build */
async function sentSource(request: Rebuild, source: Source, route: () => Promise<RouteOrReason>): Promise<string> {
  const { layout, settings, local, signal, report } = request;
  const { host } = settings;
  const { way, rules } = await rulesOf(settings, route, signal);
  trustedKey(layout, host, settings.systemKeys, rules.systemKeys); // Before anything is fetched.
  await checkSpaceOn(way, request);
  report(`fetching ${nameOf(source)} on this machine, and sending its source to the host`);
  return await sendSource({ host, local, signal }, way, source.flake);
}

/** Builds a system here or on a builder, signs it here and copies it to the host. @returns its store path */
async function pushedSystem(
  { layout, settings, local, signal, report }: Rebuild,
  source: Source,
  route: () => Promise<RouteOrReason>,
): Promise<string> {
  const { host, install } = settings;
  const request = { host, local, signal, install, settings, report };
  const isHere = settings.rebuild.buildOn === "local";
  // Before the build, which takes longest.
  const { way, rules } = await rulesOf(settings, route, signal);
  const key = trustedKey(layout, host, settings.systemKeys, rules.systemKeys);
  report(`${isHere ? "building" : "evaluating"} ${nameOf(source)} on this machine`);
  const system = await (isHere ? buildSystem : buildOnBuilder)(request, source.flake);
  report(`signing ${system} with ${key.name}`);
  await signSystem(request, key, system);
  report("copying what the host does not have");
  await copySystem(request, way, system);
  return system;
}

function nameOf({ commit, flake, dirty }: Source): string {
  const from = commit === undefined ? flake : `commit ${commit}`;
  return `${from}${dirty ? ", with changes that are not committed," : ""}`;
}

async function rulesOf(
  { host, rebuild: { buildOn, source } }: HostSettings,
  route: () => Promise<RouteOrReason>,
  signal: AbortSignal,
) {
  const found = await route();
  if (!found.route) throw noRoute(host, found, "Nothing was changed.");
  const rules = await readActivation(found.route, signal);
  if (!rules)
    throw new UserError({ subject: host, problem: "no ssh session with the pinned key. Nothing was changed." });
  if (rules.systemKeys.length > 0) return { way: found.route, rules };
  throw new UserError(
    {
      code: "settings",
      subject: host,
      setting: `clawdlets:rebuild.${buildOn === "host" ? "source" : "buildOn"}`,
      problem: `is "${buildOn === "host" ? source : buildOn}", but the system that the host runs trusts no keys, so it accepts only what it fetches and builds. Nothing was changed.`,
      fix: `Add keys (clawdlets secrets init --host ${host}), commit and push the stack file, and rebuild once with buildOn "host" and source "fetch".`,
    },
    { exitCode: exitCodes.settings },
  );
}

function refuseDisabled({ host, rebuild: { enabled } }: HostSettings): void {
  if (enabled) return;
  throw new UserError(
    {
      code: "settings",
      subject: host,
      setting: "clawdlets:rebuild.enabled",
      problem: "is false, so the host takes no changes from here. Nothing was changed.",
      fix: `Set it to true in stacks/Pulumi.${host}.yaml, and apply that at the console or by clawdlets:reinstall.`,
    },
    { exitCode: exitCodes.settings },
  );
}
