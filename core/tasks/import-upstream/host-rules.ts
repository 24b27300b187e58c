import type { Outcome } from "./rows.ts";

/** In a Nix string. */
const nixString = (text: string) => JSON.stringify(text).replaceAll("${", "\\${");
const nixList = (items: readonly string[]) => `[ ${items.map(nixString).join(" ")} ]`;
const texts = (value: unknown) => (Array.isArray(value) ? value.filter((each) => typeof each === "string") : []);

/** Every NixOS has these. */
const isUsual = (text: string) => text.includes("cache.nixos.org");

const admin: Outcome = { by: "clawdlets init --admin-cidr", note: "Yours alone, so not in a public file." };
const pubkey: Outcome = { by: "clawdlets init --ssh-pubkey", note: "A path on your machine." };
const worldOpen: Outcome = { no: "A network that is open to the world is always refused." };
const deploy = "See clawdlets.operator.rebuild (docs/day-two.md): it lets admin switch the host to your commits.";

/**
 * Settings of one host in upstream's clawdlets.json, schema 2 (b49d4af) to 12 (69286a2), by their path below `hosts.<host>`.
 * `*` stands for any one key.
 */
export const hostRules: Readonly<Record<string, (value: unknown) => Outcome>> = {
  enable: () => ({ by: "clawdlets up --host", note: "A stack file is enough; there is no switch." }),
  diskDevice: (value) =>
    String(value).includes("CHANGE_ME")
      ? { no: "A placeholder. /dev/sda, as Hetzner's servers have it, is the default." }
      : { set: { install: { disk: value } }, name: "clawdlets:install" },
  sshAuthorizedKeys: (value) => ({ set: { adminSshKeys: value }, name: "clawdlets:adminSshKeys" }),
  sshKnownHosts: () => ({ by: "clawdlets adopt", note: "Pins the key of a running host, after you compared it." }),
  flakeHost: (value) => ({ set: { flakeHost: value }, name: "clawdlets:flakeHost" }),
  targetHost: () => ({ no: "Not needed: the tailnet and Hetzner's API know the address." }),
  "hetzner.serverType": (value) => ({ set: { serverType: value }, name: "clawdlets:serverType" }),
  "hetzner.image": (value) => ({ set: { image: value }, name: "clawdlets:image" }),
  "hetzner.location": (value) => ({ set: { location: value }, name: "clawdlets:location" }),
  "opentofu.adminCidr": () => admin,
  "opentofu.sshPubkeyFile": () => pubkey,
  "provisioning.adminCidr": () => admin,
  "provisioning.sshPubkeyFile": () => pubkey,
  "provisioning.adminCidrAllowWorldOpen": () => worldOpen,
  "provisioning.enable": () => ({ by: "clawdlets up --host", note: "Every host is provisioned by it." }),
  "publicSsh.enable": () => exposure("public"),
  "sshExposure.mode": exposure,
  "tailnet.mode": (value) => ({ set: { tailnet: value }, name: "clawdlets:tailnet" }),
  "cache.substituters": (value) => nixSetting("substituters", texts(value)),
  "cache.trustedPublicKeys": (value) => nixSetting("trusted-public-keys", texts(value)),
  "cache.netrc.*": () => ({
    by: "hosts/<host>.nix",
    note: "nix.settings.netrc-file, with a secret of clawdlets:secrets.",
  }),
  "cache.garnix.private.*": () => ({
    by: "hosts/<host>.nix",
    note: "nix.settings, with a secret of clawdlets:secrets.",
  }),
  "operator.deploy.enable": () => ({ by: "hosts/<host>.nix", note: deploy }),
  "operator.rebuild.*": () => ({ by: "hosts/<host>.nix", note: deploy }),
  "selfUpdate.*": () => ({
    no: "Hosts do not update themselves: clawdlets rebuild sends changes, from CI too (docs/day-two.md).",
  }),
};

function exposure(value: unknown): Outcome {
  const open: Readonly<Record<string, string>> = {
    public: "Leaves TCP/22 open to your network.",
    bootstrap: "Leaves TCP/22 open to your network after the installation, until clawdlets lockdown.",
  };
  const note = open[String(value)];
  return { set: { sshExposure: value }, name: "clawdlets:sshExposure", ...(note !== undefined && { note }) };
}

function nixSetting(name: string, values: readonly string[]): Outcome {
  const added = values.filter((each) => !isUsual(each));
  if (added.length === 0) return { no: "NixOS has these already." };
  const note = "Who has the secret key of a cache decides what the host runs.";
  return { nix: `nix.settings.${name} = ${nixList(added)};`, name: `nix.settings.${name}`, note };
}

/** Settings of upstream's fleet that are not its bots', by their path below `fleet`; `**` stands for everything below. */
export const fleetRules: Readonly<Record<string, (value: unknown) => Outcome>> = {
  bots: (value) => ({ set: { bots: value }, name: "clawdlets:bots" }),
  sshAuthorizedKeys: (value) => ({ set: { adminSshKeys: value }, name: "clawdlets:adminSshKeys" }),
  sshKnownHosts: () => ({ by: "clawdlets adopt", note: "Pins the key of a running host, after you compared it." }),
  "codex.**": () => ({
    no: "There is no login for Codex; clawdlets.bots.<bot>.path puts a package on the bot's PATH.",
  }),
  "backups.**": () => ({ no: "Nothing backs up a bot's folder to restic by these names." }),
  "secretFiles.**": () => ({ by: "hosts/<host>.nix", note: "clawdlets.bots.<bot>.secrets (docs/migration.md#bots)." }),
};

/** Everything else at the top. */
export const topRules: Readonly<Record<string, (value: unknown) => Outcome>> = {
  schemaVersion: () => ({ no: "" }),
  defaultHost: () => ({ by: "--host", note: "With one host, every command means that one." }),
  baseFlake: () => ({
    by: "flake.nix",
    note: "Hosts are installed from this repository; clawdlets:flake names another.",
  }),
  "cattle.**": () => ({ no: "There are no servers for single tasks." }),
};
