import { existsSync, readFileSync } from "node:fs";
import { relative } from "node:path";
import { objectionOf } from "../../base/errors.ts";
import { createHetzner } from "../../base/hetzner/client.ts";
import { agentHas, derivedPublicKey, publicKeyOf } from "../../base/machine/ssh-keys.ts";
import type { Problem } from "../../base/problem.ts";
import type { ProblemCode } from "../../base/problem-codes.ts";
import { withoutComment } from "../../base/text/public-key-line.ts";
import { shellQuoted } from "../../base/wording.ts";
import { isOnlyIpv6 } from "../../project/firewall/only-ipv6.ts";
import { uselessReason } from "../../project/firewall/useless-networks.ts";
import { checkLocalFolder } from "../../project/hygiene.ts";
import { type HostLayout, hostLayoutOf, type Layout } from "../../project/layout.ts";
import { criticalOf } from "../../project/lint/lint.ts";
import { checkHostSecrets } from "../../project/secrets/check.ts";
import { requiredSecrets } from "../../project/secrets/required.ts";
import { type HostSettings, hasTailnet, hetznerEndpoint, type LocalSettings } from "../../project/settings/host.ts";
import { nixSystemOf } from "../../project/settings/server/architecture.ts";
import { configNamespace } from "../../project/settings/stack-config/stack-config.ts";
import { readHostState, serverIn } from "../../project/state/state.ts";
import { checkSecretSources, readSecretSources } from "../delivery/upstream-secrets.ts";
import { evaluationObjection } from "../flake/evaluate.ts";
import { resolveFlake } from "../flake/flake.ts";
import { checkNixOf, usesNix } from "../flake/nix-version.ts";
import { type Journal, readJournal } from "../journal.ts";
import { operatorIdentity } from "../reach/operator.ts";
import { readTailnetClient } from "../reach/tailnet-client.ts";
import type { Finding } from "../server/catalogue.ts";
import { wantedType } from "../server/choices.ts";
import { monthlyLimit } from "../server/cost-limit.ts";
import { checkImage } from "../server/image.ts";
import { checkIpv6Route } from "../server/ipv6-only.ts";
import { checkNewServer } from "../server/new-server.ts";
import { findServer } from "../server/power.ts";
import { checkTypeChange } from "../server/type-change.ts";
import { checkAuthKey } from "../tailnet/check.ts";
import { readBootstrapKeys } from "./bootstrap-keys.ts";
import { installIdOf } from "./install-id.ts";
import { findInstaller, type Installer } from "./installer.ts";

export interface PreflightRequest {
  layout: Layout;
  settings: HostSettings;
  local: LocalSettings;
  /** Absolute path of sops. */
  sops: string;
}

/**
 * Checks everything that would otherwise fail after a server has been bought: keys, secrets, installer, flake, the tailnet, and what
 * Hetzner sells. Changes nothing; two requests to Hetzner. @returns every problem, not only the first
 */
export async function preflight(request: PreflightRequest): Promise<Problem[]> {
  const { layout, settings, local, sops } = request;
  const host = hostLayoutOf(layout, settings.host);
  const secrets = {
    layout,
    host,
    hostName: settings.host,
    recipient: settings.ageRecipient,
    secretsDir: local.secretsDir,
    sops,
  };
  const sources = readSecretSources(layout, host, local, requiredSecrets(layout, settings));
  const groups = await Promise.all([
    checkLocalFolder(layout),
    checkKeys(request),
    checkHostSecrets({ ...secrets, required: sources.local }),
    checkSecretSources(sources, secrets),
    // A baked snapshot needs no installer.
    settings.install.mode === "snapshot"
      ? []
      : asProblem("nixos-anywhere", "program-missing", () => checkInstaller(local)),
    checkFlake(request),
    checkServer(request),
    checkIpv6Route(settings, local),
    checkTailnet(request),
    checkAuthKey(request, { mints: true }),
    checkAdmin(request),
    criticalOf(layout, settings.bots),
  ]);
  return groups.flat();
}

/** Finds nixos-anywhere, and checks that its nix is new enough. @throws UserError if one of them would fail */
export async function checkInstaller({ nixosAnywhere, nix }: LocalSettings): Promise<Installer> {
  const installer = findInstaller(nixosAnywhere, nix);
  if (installer.found !== "nix run") await checkNixOf(installer.command, nix);
  return installer;
}

/** Checks that the flake can be pinned and, where the installer uses nix, that it evaluates: nixos-anywhere would find out too late. */
export async function checkFlake({
  layout,
  settings,
  local,
}: Pick<PreflightRequest, "layout" | "settings" | "local">): Promise<Problem[]> {
  const about = { subject: "this machine", setting: `${configNamespace}:flake` };
  try {
    const flake = await resolveFlake(layout, settings, local);
    const evaluates = settings.install.mode === "full" && usesNixHere(local);
    const objection = evaluates ? await evaluationObjection(flake, local, nixSystemOf(settings.serverType)) : undefined;
    return objection ? [{ ...about, ...objection }] : [];
  } catch (error) {
    return [{ ...about, ...objectionOf(error, "flake-invalid") }];
  }
}

function usesNixHere({ nixosAnywhere, nix }: LocalSettings): boolean {
  try {
    const { found, command } = findInstaller(nixosAnywhere, nix);
    return found === "nix run" || usesNix(command);
  } catch {
    return false; // Reported by checkInstaller.
  }
}

/** Checks that this machine's tailscale could reach the host: an installation ends with a session over the tailnet. */
export async function checkTailnet({
  settings,
  local,
}: {
  settings: Pick<HostSettings, "tailnet">;
  local: Pick<LocalSettings, "tailscale" | "endpoint" | "token">;
}): Promise<Problem[]> {
  if (!hasTailnet(settings)) return [];
  const about = { subject: "this machine", setting: "tailscale" };
  try {
    const { problem } = await readTailnetClient(local);
    return problem ? [{ ...about, ...problem }] : [];
  } catch (error) {
    return [{ ...about, ...objectionOf(error, "program-missing") }];
  }
}

/** Refuses admin networks for which the window would let nobody in: documentation addresses (RFC 5737), and IPv6 alone. */
export function checkAdmin({
  settings: { host, ipv4Enabled },
  local,
}: {
  settings: Pick<HostSettings, "host" | "ipv4Enabled">;
  local: Pick<LocalSettings, "adminCidrs" | "endpoint">;
}): Problem[] {
  const about = { subject: ".clawdlets/stack.json", setting: `hosts.${host}.opentofu.adminCidr` };
  if (ipv4Enabled && isOnlyIpv6(local.adminCidrs)) {
    const problem = `is the IPv6 network ${local.adminCidrs.join(", ")}, but ${host} is installed at its public IPv4 address, so the window would let nobody in.`;
    const fix = "Set it to your own IPv4 network. Or set clawdlets:ipv4Enabled to false: then everything uses IPv6.";
    return [{ code: "settings-disagree", ...about, problem, fix }];
  }
  if (local.endpoint !== hetznerEndpoint) return [];
  return local.adminCidrs.flatMap((cidr) => {
    const reason = uselessReason(cidr, ["documentation"]);
    if (reason === undefined) return [];
    return [{ code: "invalid-value", ...about, problem: `"${cidr}" ${reason}.` }];
  });
}

interface KeysToCheck {
  layout: Layout;
  settings: HostSettings;
  local: Pick<LocalSettings, "sshPubkeyFile">;
}

/**
 * Checks that one-time keys, host key and the operator's key exist, match what is declared, and are usable: ssh can read each
 * private half without asking anything.
 */
export async function checkKeys({ layout, settings, local }: KeysToCheck): Promise<Problem[]> {
  const host = hostLayoutOf(layout, settings.host);
  const problems: Problem[] = [];
  const fix = `Make it: clawdlets init --host ${settings.host}`;
  if (!readBootstrapKeys(host)) {
    problems.push({
      code: "key-missing",
      subject: relative(layout.root, host.bootstrapClientKey),
      setting: "one-time keys",
      problem: "missing.",
      fix,
    });
  }
  // Only required if they would be used: an adopted host generated its own host key and keeps it.
  if (isThere(readJournal(host.journal), settings)) return [...problems, ...(await operatorKey({ settings, local }))];
  const where = relative(layout.root, host.hostKey);
  if (!existsSync(host.hostKey))
    problems.push({ code: "key-missing", subject: where, setting: "host key", problem: "missing.", fix });
  else if (publicKeyOf(host.hostKey) !== withoutComment(settings.sshHostKey)) {
    problems.push({
      code: "key-mismatch",
      subject: where,
      setting: "host key",
      problem: "is not the private half of clawdlets:sshHostKey.",
      fix: "Restore the right file.",
    });
  }
  return [...problems, ...(await checkPrivateHalves(layout, host)), ...(await operatorKey({ settings, local }))];
}

/**
 * Checks the private keys that an installation uses, if they exist. OpenSSH refuses a file with Windows line breaks or without the last
 * one (git-for-windows/git#4705), and a host whose host key is unreadable cannot be reached after its installation.
 */
export async function checkPrivateHalves(layout: Layout, host: HostLayout): Promise<Problem[]> {
  const keys = [
    [host.bootstrapClientKey, "one-time keys"],
    [host.bootstrapHostKey, "one-time keys"],
    [host.hostKey, "host key"],
  ] as const;
  const there = keys.filter(([path]) => existsSync(path) && existsSync(`${path}.pub`));
  const found = await Promise.all(
    there.map(async ([path, setting]): Promise<Problem[]> => {
      const subject = relative(layout.root, path);
      const { publicKey, objection } = await derivedPublicKey(path);
      if (objection) return [{ subject, setting, ...objection }];
      if (publicKey === publicKeyOf(path)) return [];
      const problem = `is not the private half of ${subject}.pub.`;
      return [{ code: "key-mismatch", subject, setting, problem, fix: "Restore the right file." }];
    }),
  );
  return found.flat();
}

/** True if the server already has the installation that the stack declares, so nothing would be installed. */
function isThere(journal: Journal | undefined, { host, reinstall }: HostSettings): boolean {
  if (journal?.state !== "done") return false;
  return journal.installId === installIdOf({ host, serverId: journal.serverId, reinstall });
}

async function operatorKey({ settings, local }: Pick<KeysToCheck, "settings" | "local">): Promise<Problem[]> {
  const { sshPubkeyFile } = local;
  const setting = `hosts.${settings.host}.opentofu.sshPubkeyFile`;
  const publicKey = existsSync(sshPubkeyFile) ? withoutComment(readFileSync(sshPubkeyFile, "utf8")) : undefined;
  if (publicKey === undefined || !settings.adminSshKeys.map(withoutComment).includes(publicKey)) {
    const found = publicKey === undefined ? "there is no such file" : "this key is not among clawdlets:adminSshKeys";
    return [
      {
        code: "key-mismatch",
        subject: sshPubkeyFile,
        setting,
        problem: `${found}, so you could not log in to the installed host.`,
        fix: "Set it to your own public key, and list that key in the stack file.",
      },
    ];
  }
  const { identity, agent } = operatorIdentity(sshPubkeyFile);
  const derived = identity === sshPubkeyFile ? undefined : await derivedPublicKey(identity);
  if (derived?.publicKey === publicKey || (await agentHas(agent, publicKey))) return [];
  if (derived === undefined) {
    const problem = "its private half is neither next to it nor in an ssh agent, so you could not log in to the host.";
    return [{ code: "key-missing", subject: sshPubkeyFile, setting, problem, fix: "Add it to your agent: ssh-add" }];
  }
  if (derived.needsPassphrase) {
    const problem = "needs a passphrase, which ssh cannot ask for here, and no ssh agent holds the key.";
    const fix = `Add it to your agent: ssh-add ${shellQuoted(identity)}`;
    return [{ code: "key-invalid", subject: identity, setting, problem, fix }];
  }
  if (derived.objection) return [{ subject: identity, setting, ...derived.objection }];
  const problem = `is not the private half of ${sshPubkeyFile}.`;
  return [{ code: "key-mismatch", subject: identity, setting, problem, fix: "Restore the right file." }];
}

/**
 * Asks Hetzner if the declared server is possible: as a new order, or as a change of the existing server. Only Hetzner knows what
 * is on sale now. A server that does not change may have a type that is sold out.
 */
export async function checkServer({
  layout,
  settings,
  local,
}: Pick<PreflightRequest, "layout" | "settings" | "local">): Promise<Problem[]> {
  const hetzner = createHetzner({ endpoint: local.endpoint, token: local.token });
  const known = serverIn(readHostState(layout, settings.host).value);
  const server = known && (await findServer(hetzner, known.id));
  if (!server) return inStackFile(settings.host, await checkNewServer(hetzner, settings, monthlyLimit(layout)));
  const [{ problems }, image] = await Promise.all([
    checkTypeChange(hetzner, server, wantedType(settings, server.server_type.name), monthlyLimit(layout)),
    checkImage(hetzner, {
      ...settings,
      disks: async () => [{ of: "this server", gigabytes: server.primary_disk_size }], // For a reinstallation.
    }),
  ]);
  return inStackFile(settings.host, [...problems, ...image]);
}

/** Turns findings of the catalogue into problems of the host's stack file. */
export const inStackFile = (host: string, found: readonly Finding[]): Problem[] =>
  found.map(({ setting, ...objection }) => ({
    subject: `stacks/Pulumi.${host}.yaml`,
    setting: `${configNamespace}:${setting}`,
    ...objection,
  }));

async function asProblem(setting: string, code: ProblemCode, look: () => unknown): Promise<Problem[]> {
  try {
    await look();
    return [];
  } catch (error) {
    return [{ subject: "this machine", setting, ...objectionOf(error, code) }];
  }
}
