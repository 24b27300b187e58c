import { existsSync, readFileSync } from "node:fs";
import { relative } from "node:path";
import { messageOf, type Problem } from "../../base/errors.ts";
import { answerOf, createHetzner, type Hetzner } from "../../base/hetzner/client.ts";
import { publicKeyOf, withoutComment } from "../../base/machine/ssh-keys.ts";
import { didYouMean } from "../../base/nearest.ts";
import { checkLocalFolder } from "../../project/hygiene.ts";
import { hostLayoutOf, type Layout } from "../../project/layout.ts";
import { checkHostSecrets } from "../../project/secrets/check.ts";
import { requiredSecrets } from "../../project/secrets/plan.ts";
import type { HostSettings, LocalSettings } from "../../project/settings/host.ts";
import { defaultImage } from "../../project/settings/stack-config.ts";
import { checkSecretSources, readSecretSources } from "../delivery/upstream-secrets.ts";
import { resolveFlake } from "../flake/flake.ts";
import { type Journal, readJournal } from "../journal.ts";
import { readBootstrapKeys } from "./bootstrap-keys.ts";
import { installIdOf } from "./install-id.ts";
import { findInstaller } from "./installer.ts";

export interface PreflightRequest {
  layout: Layout;
  settings: HostSettings;
  local: LocalSettings;
  /** Absolute path of sops. */
  sops: string;
}

/**
 * Looks at everything that would fail after a server was bought: keys, secrets, installer, flake, and what Hetzner sells.
 * Changes nothing; two requests. @returns every problem, not the first
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
  const sources = readSecretSources(layout, host, local, requiredSecrets(settings));
  const groups = await Promise.all([
    checkLocalFolder(layout),
    checkKeys(request),
    checkHostSecrets({ ...secrets, required: sources.local }),
    checkSecretSources(sources, secrets),
    asProblem("nixos-anywhere", () => findInstaller(local.nixosAnywhere, local.nix)),
    asProblem("clawdlets:flake", () => resolveFlake(layout, settings, local)),
    checkCatalogue(request),
  ]);
  return groups.flat();
}

/** One-time keys, host key, and the key the operator will log in with: there, and each the other half of what is declared. */
export function checkKeys({ layout, settings, local }: Omit<PreflightRequest, "sops">): Problem[] {
  const host = hostLayoutOf(layout, settings.host);
  const problems: Problem[] = [];
  const mend = `Make it: clawdlets init --host ${settings.host}`;
  if (!readBootstrapKeys(host)) {
    problems.push({
      where: relative(layout.root, host.bootstrapClientKey),
      setting: "one-time keys",
      message: `missing. ${mend}`,
    });
  }
  const where = relative(layout.root, host.hostKey);
  // A host that was taken over has made its key itself, and keeps it; it is asked for where it would be sent.
  if (isThere(readJournal(host.journal), settings)) return [...problems, ...operatorKey({ settings, local })];
  if (!existsSync(host.hostKey)) problems.push({ where, setting: "host key", message: `missing. ${mend}` });
  else if (publicKeyOf(host.hostKey) !== withoutComment(settings.sshHostKey)) {
    problems.push({
      where,
      setting: "host key",
      message: "is not the private half of clawdlets:sshHostKey. Put the right file back.",
    });
  }
  return [...problems, ...operatorKey({ settings, local })];
}

/** Whether the installation that the stack asks for is the one that is on the server, so that nothing would be installed. */
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
    const message = `${found}, so you could not log in to the installed host. Name your own public key, and list it in the stack file.`;
    return [{ where: local.sshPubkeyFile, setting: `hosts.${settings.host}.opentofu.sshPubkeyFile`, message }];
  }
  return [];
}

async function imageExists(hetzner: Hetzner, name: string): Promise<boolean> {
  const query = { name, architecture: "x86" as const, per_page: 50 };
  const { images } = await answerOf("look up the image", hetzner.GET("/images", { params: { query } }));
  return images.length > 0;
}

/** What is sold where changes; only Hetzner knows. An image is looked up for x86, which is what the flake builds. */
export async function checkCatalogue({
  settings,
  local,
}: Pick<PreflightRequest, "settings" | "local">): Promise<Problem[]> {
  const hetzner = createHetzner({ endpoint: local.endpoint, token: local.token });
  const where = `stacks/Pulumi.${settings.host}.yaml`;
  const [{ server_types }, hasImage] = await Promise.all([
    answerOf("list the server types", hetzner.GET("/server_types", { params: { query: { per_page: 50 } } })),
    settings.image === defaultImage || imageExists(hetzner, settings.image),
  ]);
  const problems: Problem[] = [];
  const names = server_types.map(({ name }) => name);
  const type = server_types.find(({ name }) => name === settings.serverType);
  if (!type) {
    const message = `"${settings.serverType}" is not sold by Hetzner${didYouMean(settings.serverType, names)}; it has ${names.join(", ")}.`;
    problems.push({ where, setting: "clawdlets:serverType", message });
  } else if (type.architecture !== "x86") {
    const message = `"${type.name}" is ${type.architecture}; the host's flake builds x86_64-linux. Take a CX, CPX or CCX type.`;
    problems.push({ where, setting: "clawdlets:serverType", message });
  }
  const locations = (type?.locations ?? []).map(({ name }) => name);
  if (type && !locations.includes(settings.location)) {
    const message = `"${settings.location}" does not have ${type.name}${didYouMean(settings.location, locations)}; it is sold in ${locations.join(", ")}.`;
    problems.push({ where, setting: "clawdlets:location", message });
  }
  if (!hasImage) {
    problems.push({
      where,
      setting: "clawdlets:image",
      message: `Hetzner has no x86 image named "${settings.image}"; e.g. debian-12.`,
    });
  }
  return problems;
}

async function asProblem(setting: string, look: () => unknown): Promise<Problem[]> {
  try {
    await look();
    return [];
  } catch (error) {
    return [{ where: "this machine", setting, message: messageOf(error) }];
  }
}
