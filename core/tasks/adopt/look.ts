import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SettingsError, UserError } from "../../base/errors.ts";
import { exitCodes } from "../../base/exit-codes.ts";
import { answerOf, type Hetzner } from "../../base/hetzner/client.ts";
import { HetznerApiError } from "../../base/hetzner/errors.ts";
import type { Problem } from "../../base/problem.ts";
import { lookAtHost } from "../../host/facts/verify.ts";
import { inWords, plain } from "../../host/lockdown/firewalls.ts";
import { scanHostKey } from "../../host/reach/host-key.ts";
import { knownHostsLine } from "../../host/reach/known-hosts.ts";
import { adminRoute, candidateAddresses } from "../../host/reach/route.ts";
import { wantedType } from "../../host/server/choices.ts";
import type { Layout } from "../../project/layout.ts";
import { declaredRules } from "../../project/settings/declared-rules.ts";
import type { HostSettings, LocalSettings } from "../../project/settings/host.ts";
import type { MadeByTofu } from "./tofu-state.ts";

export interface AdoptRequest {
  layout: Layout;
  settings: HostSettings;
  local: LocalSettings;
  signal: AbortSignal;
}

/** A running host that may be taken over. */
export interface Adoptable extends MadeByTofu {
  /** Public IPv4 address. */
  address: string;
  firewallName: string;
  /** Inbound rules in force that the stack does not declare: the next `up` removes them. */
  undeclared: string[];
}

/**
 * Gets the resources of the state from Hetzner and compares them with the stack file: the next `up` would change the server for
 * every difference.
 * @throws SettingsError with every difference, before anything is written
 */
export async function lookAtMade(hetzner: Hetzner, request: AdoptRequest, ids: MadeByTofu): Promise<Adoptable> {
  const { settings } = request;
  const { host } = settings;
  const at = (id: number) => ({ params: { path: { id } } });
  const [server, firewall] = await Promise.all([
    thereOrNot(
      answerOf(`get the server ${ids.serverId}`, hetzner.GET("/servers/{id}", at(ids.serverId))).then(
        (answer) => answer.server,
      ),
    ),
    thereOrNot(
      answerOf(`get the firewall ${ids.firewallId}`, hetzner.GET("/firewalls/{id}", at(ids.firewallId))).then(
        (answer) => answer.firewall,
      ),
    ),
  ]);
  if (!server || !firewall) throw new SettingsError(goneProblems(ids, { server, firewall }));
  const address = server.public_net.ipv4?.ip;
  if (address === undefined) {
    throw new UserError({
      subject: host,
      problem: `the server ${ids.serverId} has no public IPv4 address, so it cannot be adopted.`,
    });
  }
  const differences = [
    ["serverType", server.server_type.name, wantedType(settings, server.server_type.name)],
    ["location", server.location.name, wantedLocation(settings, server.location.name)],
    ["ipv4Enabled", "true", String(settings.ipv4Enabled)],
    ["(the stack's name)", server.name, host],
    ["(the firewall's name)", firewall.name, `${host}-fw`],
  ] as const;
  const problems = differences
    .filter(([, there, declared]) => there !== declared)
    .map(
      ([setting, there, declared]): Problem => ({
        code: "settings-disagree",
        subject: `stacks/Pulumi.${host}.yaml`,
        setting,
        problem: `is "${declared}", but Hetzner has "${there}".`,
        fix: "Change it to the value at Hetzner.",
      }),
    );
  if (problems.length > 0) throw new SettingsError(problems);
  return { ...ids, address, firewallName: firewall.name, undeclared: undeclaredRules(request, firewall.rules) };
}

const wantedLocation = ({ location, locations = [] }: HostSettings, current: string) =>
  locations.includes(current) ? current : location;

/** @returns undefined if Hetzner has no such id in this project */
async function thereOrNot<T>(asked: Promise<T>): Promise<T | undefined> {
  try {
    return await asked;
  } catch (error) {
    if (error instanceof HetznerApiError && error.status === 404) return undefined;
    throw error;
  }
}

function goneProblems(ids: MadeByTofu, seen: { server: unknown; firewall: unknown }): Problem[] {
  const named = [
    { type: "hcloud_server", what: "server", id: ids.serverId, isGone: !seen.server },
    { type: "hcloud_firewall", what: "firewall", id: ids.firewallId, isGone: !seen.firewall },
  ];
  return named
    .filter(({ isGone }) => isGone)
    .map(({ type, what, id }) => ({
      code: "not-at-hetzner",
      subject: ids.where,
      setting: type,
      problem: `names the ${what} ${id}, which Hetzner does not have.`,
      fix: "Check that HCLOUD_TOKEN is a token of its project. If it was deleted, there is nothing to adopt: clawdlets up creates a new host.",
    }));
}

/**
 * Descriptions of the rules at Hetzner that are not declared here. OpenTofu's state is unreliable: with hcloud 1.68.0, upstream's
 * lockdown leaves a rule in force that the state no longer has (hetznercloud/terraform-provider-hcloud#1482).
 */
function undeclaredRules({ settings, local }: AdoptRequest, rules: Parameters<typeof plain>[0][]): string[] {
  const { sshExposure, firewallRules } = settings;
  const declared = declaredRules({ sshExposure, adminCidrs: local.adminCidrs, rules: firewallRules });
  const wanted = new Set(declared.map(({ rule }) => inWords(rule)));
  return rules
    .filter(({ direction }) => direction === "in")
    .map((rule) => inWords(plain(rule)))
    .filter((rule) => !wanted.has(rule));
}

/**
 * Finds an address at which the host answers, and its host key: over the tailnet if it has one, else at its public address.
 * @throws UserError if nothing answers, or only at an address that the next `up` closes
 */
export async function runningKey(
  request: AdoptRequest,
  { address }: Adoptable,
): Promise<{ address: string; key: string }> {
  const { settings, local, signal } = request;
  const { host } = settings;
  const { tailnet, exposed } = await candidateAddresses({ ...request, address, isWindowOpen: true });
  const staysOpen = settings.sshExposure === "public";
  const tried = [...tailnet, ...exposed];
  for (const each of tried) {
    const key = await scanHostKey({ address: each, port: local.sshPort }, signal);
    if (key === undefined) continue;
    if (tailnet.includes(each) || staysOpen) return { address: each, key };
    throw new UserError(
      {
        subject: host,
        problem: `only answers at ${each}, not in the tailnet, which is the only way in after the next up closes its firewall (sshExposure is "${settings.sshExposure}"). Connect the host or this machine to the tailnet ("tailscale status"), or set clawdlets:sshExposure to "public". Nothing was changed.`,
      },
      { exitCode: exitCodes.install },
    );
  }
  throw new UserError(
    {
      subject: host,
      problem: `no ssh server answers at ${tried.join(" or ")}. Is this machine in the host's tailnet ("tailscale status")? Nothing was changed.`,
    },
    { exitCode: exitCodes.install },
  );
}

/**
 * Logs in with the host key that was just confirmed. The key is only pinned for this login: nothing is kept until the host is adopted.
 * @returns the store path of the running system
 * @throws UserError if the login fails, or the host does not run NixOS
 */
export async function logIn(
  request: AdoptRequest,
  { address, key }: { address: string; key: string },
): Promise<string> {
  const { settings, local, signal } = request;
  const { host } = settings;
  const folder = mkdtempSync(join(tmpdir(), "clawdlets-adopt-"));
  try {
    const knownHosts = join(folder, "known_hosts");
    writeFileSync(knownHosts, knownHostsLine([host], key));
    const seen = await lookAtHost(await adminRoute({ layout: { knownHosts }, settings, local }, address), signal);
    if (seen && /^\/nix\/store\/[^/]+$/.test(seen.systemPath)) return seen.systemPath;
    throw new UserError(
      seen
        ? `${host}: the server at ${address} does not run NixOS. Nothing was changed.`
        : `${host}: could not log in as admin at ${address} with ${local.sshPubkeyFile}. Nothing was changed.`,
      { exitCode: exitCodes.install },
    );
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
