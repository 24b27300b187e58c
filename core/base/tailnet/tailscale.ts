import { z } from "zod";
import { TailnetApiError } from "./errors.ts";
import { createSender, type SendingOptions, unlessUnknown } from "./http.ts";
import type { TailnetApi, TailnetCredentials, TailnetDevice } from "./types.ts";

const token = z.object({
  access_token: z.string(),
  expires_in: z.number().default(3600),
  scope: z.string().optional(),
});
const mintedKey = z.object({ id: z.string(), key: z.string(), expires: z.string() });
const knownKey = z.object({ id: z.string(), expires: z.string().optional(), invalid: z.boolean().default(false) });
const device = z.object({
  nodeId: z.string(),
  nodeKey: z.string().default(""),
  name: z.string().default(""),
  addresses: z.array(z.string()).default([]),
  tags: z.array(z.string()).default([]),
  keyExpiryDisabled: z.boolean().default(false),
  expires: z.string().optional(),
});
const nothing = z.unknown();

/** Scopes of the OAuth client; `all` includes both. */
const neededScopes = ["auth_keys", "devices:core"];

/**
 * Tailscale's API, with the token of an OAuth client, which is fetched once and kept for its hour.
 * @see https://api.tailscale.com/api/v2?outputOpenapiSchema=true, operations createKey, getKey, deleteKey, listTailnetDevices, getDevice,
 * deleteDevice and setDeviceName
 */
export function createTailscale(
  { endpoint, clientId, clientSecret }: Extract<TailnetCredentials, { service: "Tailscale" }>,
  options: SendingOptions,
): TailnetApi {
  const sender = createSender("Tailscale", `${endpoint.replace(/\/+$/, "")}/api/v2`, options);
  let held: { authorization: string; until: number } | undefined;

  const authorization = async (): Promise<string> => {
    if (held && held.until > Date.now()) return held.authorization;
    const body = new URLSearchParams({
      grant_type: "client_credentials",
      client_id: clientId,
      client_secret: clientSecret,
    });
    const what = "give out a token for the OAuth client";
    const given = await sender.ask({ what, path: "oauth/token", method: "POST", headers: {}, body }, token);
    refuseMissingScopes(given.scope);
    held = {
      authorization: `Bearer ${given.access_token}`,
      until: Date.now() + Math.max(0, given.expires_in - 60) * 1000,
    };
    return held.authorization;
  };
  const ask = async <T>(
    asked: { what: string; path: string; method?: "POST" | "DELETE"; body?: unknown },
    answer: z.ZodType<T>,
  ): Promise<T> => sender.ask({ ...asked, headers: { authorization: await authorization() } }, answer);

  const api: TailnetApi = {
    service: "Tailscale",
    get sent() {
      return sender.sent;
    },
    async check(tags) {
      await api.devices();
      if (tags) await api.revoke((await api.mint({ host: "check", tags, seconds: 60 })).id);
    },
    async mint({ host, tags, seconds }) {
      const create = { reusable: false, ephemeral: false, preauthorized: true, tags };
      // At most 50 letters, digits, hyphens and spaces.
      const description = `clawdlets ${host}`.replaceAll(/[^A-Za-z0-9 -]/g, "-").slice(0, 50);
      const body = { keyType: "auth", capabilities: { devices: { create } }, expirySeconds: seconds, description };
      return ask({ what: "mint an auth key", path: "tailnet/-/keys", method: "POST", body }, mintedKey);
    },
    async isUsable(id) {
      const path = `tailnet/-/keys/${encodeURIComponent(id)}`;
      const key = await unlessUnknown(ask({ what: "read an auth key", path }, knownKey));
      return key !== undefined && !key.invalid && !(key.expires !== undefined && Date.parse(key.expires) <= Date.now());
    },
    async revoke(id) {
      const path = `tailnet/-/keys/${encodeURIComponent(id)}`;
      await unlessUnknown(ask({ what: "revoke an auth key", path, method: "DELETE" }, nothing));
    },
    async devices() {
      const list = z.object({ devices: z.array(device) });
      return (await ask({ what: "list the devices", path: "tailnet/-/devices" }, list)).devices.map(deviceOf);
    },
    async device(id) {
      const path = `device/${encodeURIComponent(id)}`;
      const found = await unlessUnknown(ask({ what: "read a device", path }, device));
      return found && deviceOf(found);
    },
    async remove(id) {
      const path = `device/${encodeURIComponent(id)}`;
      await unlessUnknown(ask({ what: "delete a device", path, method: "DELETE" }, nothing));
    },
    async rename(id, name) {
      const path = `device/${encodeURIComponent(id)}/name`;
      await ask({ what: "rename a device", path, method: "POST", body: { name } }, nothing);
    },
  };
  return api;
}

/** The token names its scopes, if at all. */
function refuseMissingScopes(scope: string | undefined): void {
  const given = scope?.split(/[\s,]+/).filter((each) => each !== "");
  if (given === undefined || given.length === 0 || given.includes("all")) return;
  const missing = neededScopes.filter((each) => !given.includes(each));
  if (missing.length === 0) return;
  const said = `the OAuth client does not have the scope ${missing.join(" and ")}`;
  throw new TailnetApiError("Tailscale", "use the OAuth client", { status: 403, said });
}

const deviceOf = ({ nodeId, name, keyExpiryDisabled, expires, ...rest }: z.infer<typeof device>): TailnetDevice => ({
  id: nodeId,
  nodeKey: rest.nodeKey,
  name: name.split(".")[0] ?? "",
  addresses: rest.addresses,
  tags: rest.tags,
  ...(!keyExpiryDisabled && expires !== undefined && { expires }),
});
