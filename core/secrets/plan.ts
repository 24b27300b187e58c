import type { StackConfig } from "../settings/stack-config.ts";

/** One secret a host needs before it can be installed. */
export interface RequiredSecret {
  /** File name without `.yaml`, and the key inside the file. */
  name: string;
  /** What it is for and what it looks like, for prompts and errors. */
  purpose: string;
}

/** Every secret a host needs, in one place: for `init`, the checks before a server is bought, and the Nix modules. */
export function requiredSecrets(settings: Pick<StackConfig, "tailnet" | "bots" | "secrets">): RequiredSecret[] {
  return [
    {
      name: "admin_password_hash",
      purpose: "crypt(3) hash of the admin's password, for sudo and the console: mkpasswd -m yescrypt",
    },
    ...(settings.tailnet === "tailscale"
      ? [{ name: "tailscale_auth_key", purpose: "Tailscale auth key the host joins the tailnet with: tskey-auth-…" }]
      : []),
    ...settings.bots.map((bot) => ({ name: `discord_token_${bot}`, purpose: `Discord token of the bot ${bot}` })),
    ...settings.secrets.map((name) => ({ name, purpose: "named under clawdlets:secrets in the stack file" })),
  ];
}
