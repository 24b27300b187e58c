/**
 * Secrets as they look, and things beside them that only look alike. Put together here, so that no line of this file holds
 * one. `git`: the rule of .gitleaks.toml. `kind`: what core/project/secrets/token-shapes.ts calls it; left out where a resource or a
 * setting would not show it by its shape alone.
 */
const letters = "aB3dE6gH9jK2mN5pQ8sT1vW4yZ7bC0eF".repeat(3);
const cut = (length: number, from = 0) => letters.slice(from, from + length);
const upper = letters.toUpperCase();
const key = (kind: string) =>
  `-----BEGIN ${kind} PRIVATE KEY-----\n${cut(70)}\n${cut(70, 5)}\n-----END ${kind} PRIVATE KEY-----`;

export const planted: readonly { name: string; text: string; git: string; kind?: string }[] = [
  {
    name: "Hetzner's token in an env file",
    text: `HCLOUD_TOKEN=${cut(64)}`,
    git: "hetzner-cloud-token",
    kind: "a Hetzner token",
  },
  {
    name: "Hetzner's token in TypeScript",
    text: `const hetzner = { token: "${cut(64, 3)}" };`,
    git: "hetzner-cloud-token",
    kind: "a Hetzner token",
  },
  {
    name: "a Tailscale auth key",
    text: `key: tskey-auth-${cut(14)}-${cut(20, 2)}`,
    git: "tailscale-key",
    kind: "a Tailscale key",
  },
  { name: "a Tailscale API key", text: `tskey-api-${cut(12)}`, git: "tailscale-key", kind: "a Tailscale key" },
  {
    name: "a headscale auth key",
    text: `key: hskey-auth-${cut(12)}-${cut(64, 2)}`,
    git: "headscale-key",
    kind: "a headscale key",
  },
  {
    name: "a headscale API key",
    text: `hskey-api-${cut(12)}-${cut(64, 4)}`,
    git: "headscale-key",
    kind: "a headscale key",
  },
  {
    name: "a Discord token",
    text: `token: ${["MTE5ODc2NTQzMjEwOTg3NjU0Mz", "Gx7yQz", cut(38)].join(".")}`,
    git: "discord-bot-token",
    kind: "a Discord token",
  },
  {
    name: "an age identity",
    text: `AGE-SECRET-KEY-1${upper.slice(0, 58)}`,
    git: "age-identity",
    kind: "an age identity",
  },
  { name: "an OpenSSH private key", text: key("OPENSSH"), git: "ssh-private-key", kind: "a private key" },
  { name: "an RSA key", text: key("RSA"), git: "ssh-private-key", kind: "a private key" },
  {
    name: "an OpenSSH key in JSON",
    text: JSON.stringify({ key: key("OPENSSH") }),
    git: "ssh-private-key",
    kind: "a private key",
  },
  { name: "sops' key variable", text: `export SOPS_AGE_KEY=${cut(40)}`, git: "sops-material" },
  { name: "a state's passphrase", text: `PULUMI_CONFIG_PASSPHRASE=${cut(43)}`, git: "pulumi-passphrase" },
];

/** `inGit`: nothing to stop a commit for, but odd enough in a resource. */
export const harmless: readonly { name: string; text: string; inGit?: true }[] = [
  { name: "the variable's name alone", text: "HCLOUD_TOKEN=\nHCLOUD_TOKEN=${{ secrets.HCLOUD_TOKEN }}\n" },
  { name: "a digest beside the word", text: `hcloud sha256 ${"0f1e2d3c".repeat(8)}a1` },
  { name: "a Tailscale key's beginning", text: "values begin with tskey-auth-" },
  { name: "an age recipient", text: "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p" },
  { name: "an ssh public key", text: `ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI${cut(43)} me@here` },
  { name: "a binary cache's public key", text: `cache.nixos.org-1:${cut(43)}=` },
  { name: "the line that a private key begins with", text: "-----BEGIN OPENSSH PRIVATE KEY-----", inGit: true },
  { name: "the path of a key file", text: "SOPS_AGE_KEY_FILE=.clawdlets/secrets/operators/me.agekey" },
  { name: "a lock file's digest", text: `"integrity": "sha512-${letters.slice(0, 86)}=="` },
];
