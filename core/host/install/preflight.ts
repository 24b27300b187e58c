import { existsSync, readFileSync } from "node:fs";
import { relative } from "node:path";
import { objectionOf } from "../../base/errors.ts";
import { createHetzner } from "../../base/hetzner/client.ts";
import { publicKeyOf, withoutComment } from "../../base/machine/ssh-keys.ts";
import type { Problem } from "../../base/problem.ts";
import type { ProblemCode } from "../../base/problem-codes.ts";
import { uselessReason } from "../../project/firewall/useless-networks.ts";
import { checkLocalFolder } from "../../project/hygiene.ts";
import { hostLayoutOf, type Layout } from "../../project/layout.ts";
import { criticalOf } from "../../project/lint/lint.ts";
import { checkHostSecrets } from "../../project/secrets/check.ts";
import { requiredSecrets } from "../../project/secrets/required.ts";
import { type HostSettings, hetznerEndpoint, type LocalSettings } from "../../project/settings/host.ts";
import { configNamespace } from "../../project/settings/stack-config.ts";
import { readHostState, serverIn } from "../../project/state/state.ts";
import { checkSecretSources, readSecretSources } from "../delivery/upstream-secrets.ts";
import { resolveFlake } from "../flake/flake.ts";
import { checkNixOf } from "../flake/nix-version.ts";
import { type Journal, readJournal } from "../journal.ts";
import { readTailnetClient } from "../reach/tailnet-client.ts";
import { checkImage, checkNewServer, type Finding } from "../server/catalogue.ts";
import { monthlyLimit } from "../server/cost-limit.ts";
import { findServer } from "../server/power.ts";
import { checkTypeChange } from "../server/type-change.ts";
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
 * Checks everything that would otherwise fail after a server has been bought: keys, secrets, installer, flake, and what Hetzner
 * sells. Changes nothing; two requests. @returns every problem, not only the first
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
    asProblem("nixos-anywhere", "program-missing", () => checkInstaller(local)),
    asProblem("clawdlets:flake", "flake-invalid", () => resolveFlake(layout, settings, local)),
    checkServer(request),
    checkTailnet(request),
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

/** Checks that this machine's tailscale could reach the host: an installation ends with a session over the tailnet. */
export async function checkTailnet({
  settings,
  local,
}: {
  settings: Pick<HostSettings, "tailnet">;
  local: Pick<LocalSettings, "tailscale" | "endpoint" | "token">;
}): Promise<Problem[]> {
  if (settings.tailnet !== "tailscale") return [];
  const about = { subject: "this machine", setting: "tailscale" };
  try {
    const { problem } = await readTailnetClient(local);
    return problem ? [{ ...about, ...problem }] : [];
  } catch (error) {
    return [{ ...about, ...objectionOf(error, "program-missing") }];
  }
}

/** Refuses documentation addresses (RFC 5737) copied from an example: the window would let nobody in. */
function checkAdmin({ settings, local }: PreflightRequest): Problem[] {
  if (local.endpoint !== hetznerEndpoint) return [];
  return local.adminCidrs.flatMap((cidr) => {
    const reason = uselessReason(cidr, ["documentation"]);
    if (reason === undefined) return [];
    const setting = `hosts.${settings.host}.opentofu.adminCidr`;
    return [{ code: "invalid-value", subject: ".clawdlets/stack.json", setting, problem: `"${cidr}" ${reason}.` }];
  });
}

/** Checks that one-time keys, host key and the operator's key exist and match what is declared. */
export function checkKeys({ layout, settings, local }: Omit<PreflightRequest, "sops">): Problem[] {
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
  const where = relative(layout.root, host.hostKey);
  // Only required if it would be sent: an adopted host generated its own key and keeps it.
  if (isThere(readJournal(host.journal), settings)) return [...problems, ...operatorKey({ settings, local })];
  if (!existsSync(host.hostKey))
    problems.push({ code: "key-missing", subject: where, setting: "host key", problem: "missing.", fix });
  else if (publicKeyOf(host.hostKey) !== withoutComment(settings.sshHostKey)) {
    problems.push({
      code: "key-mismatch",
      subject: where,
      setting: "host key",
      problem: "is not the private half of clawdlets:sshHostKey.",
      fix: "Put the right file back.",
    });
  }
  return [...problems, ...operatorKey({ settings, local })];
}

/** True if the server already has the installation that the stack declares, so nothing would be installed. */
function isThere(journal: Journal | undefined, { host, reinstall }: HostSettings): boolean {
  if (journal?.state !== "done") return false;
  return journal.installId === installIdOf({ host, serverId: journal.serverId, reinstall });
}

function operatorKey({ settings, local }: Pick<PreflightRequest, "settings" | "local">): Problem[] {
  const operator = existsSync(local.sshPubkeyFile)
    ? withoutComment(readFileSync(local.sshPubkeyFile, "utf8"))
    : undefined;
  if (operator === undefined || !settings.adminSshKeys.map(withoutComment).includes(operator)) {
    const found = operator === undefined ? "there is no such file" : "this key is not among clawdlets:adminSshKeys";
    return [
      {
        code: "key-mismatch",
        subject: local.sshPubkeyFile,
        setting: `hosts.${settings.host}.opentofu.sshPubkeyFile`,
        problem: `${found}, so you could not log in to the installed host.`,
        fix: "Set it to your own public key, and list that key in the stack file.",
      },
    ];
  }
  return [];
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
    checkTypeChange(hetzner, server, settings.serverType, monthlyLimit(layout)),
    checkImage(hetzner, settings.image), // Used by a reinstallation.
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
