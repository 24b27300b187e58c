import { createHeadscale } from "./headscale.ts";
import type { SendingOptions } from "./http.ts";
import { createTailscale } from "./tailscale.ts";
import type { TailnetApi, TailnetCredentials } from "./types.ts";

export const tailscaleEndpoint = "https://api.tailscale.com";

export function createTailnetApi(credentials: TailnetCredentials, options: SendingOptions = {}): TailnetApi {
  return credentials.service === "Tailscale"
    ? createTailscale(credentials, options)
    : createHeadscale(credentials, options);
}
