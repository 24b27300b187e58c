import { z } from "zod";
import { createSender, type SendingOptions, unlessUnknown } from "./http.ts";
import type { TailnetApi, TailnetCredentials, TailnetDevice } from "./types.ts";

/** Every field is in an answer, also with its zero value. `tags` is since 0.28, like minting without a user and revoking by id. */
const preAuthKey = z.object({
  id: z.string(),
  key: z.string(),
  reusable: z.boolean(),
  used: z.boolean(),
  expiration: z.string().nullable(),
});
const node = z.object({
  id: z.string(),
  nodeKey: z.string(),
  givenName: z.string(),
  ipAddresses: z.array(z.string()),
  tags: z.array(z.string()),
  expiry: z.string().nullable(),
});
const nothing = z.unknown();

/** headscale's REST API, with an API key. @see juanfont/headscale v0.29.0, gen/openapiv2/headscale/v1/headscale.swagger.json */
export function createHeadscale(
  { endpoint, apiKey }: Extract<TailnetCredentials, { service: "headscale" }>,
  options: SendingOptions,
): TailnetApi {
  const sender = createSender("headscale", `${endpoint.replace(/\/+$/, "")}/api/v1`, options);
  const headers = { authorization: `Bearer ${apiKey}` };
  const ask = <T>(
    asked: { what: string; path: string; method?: "POST" | "DELETE"; body?: unknown },
    answer: z.ZodType<T>,
  ) => sender.ask({ ...asked, headers }, answer);

  const api: TailnetApi = {
    service: "headscale",
    get sent() {
      return sender.sent;
    },
    // An API key of headscale may do everything, and mints keys with any tag that the settings allow: one request tells.
    async check() {
      await api.devices();
    },
    async mint({ tags, seconds }) {
      const expiration = new Date(Date.now() + seconds * 1000).toISOString();
      // Without a user: a tagged machine belongs to its tags.
      const body = { reusable: false, ephemeral: false, expiration, aclTags: tags };
      const what = "mint an auth key";
      const answer = z.object({ preAuthKey });
      const made = await ask({ what, path: "preauthkey", method: "POST", body }, answer);
      return { id: made.preAuthKey.id, key: made.preAuthKey.key, expires: expiration };
    },
    async isUsable(id) {
      const list = z.object({ preAuthKeys: z.array(preAuthKey) });
      const { preAuthKeys } = await ask({ what: "read the auth keys", path: "preauthkey" }, list);
      const key = preAuthKeys.find((each) => each.id === id);
      if (!key || (key.used && !key.reusable)) return false;
      return !(key.expiration && Date.parse(key.expiration) <= Date.now());
    },
    async revoke(id) {
      await ask({ what: "revoke an auth key", path: "preauthkey/expire", method: "POST", body: { id } }, nothing);
    },
    async devices() {
      const list = z.object({ nodes: z.array(node) });
      return (await ask({ what: "list the machines", path: "node" }, list)).nodes.map(deviceOf);
    },
    async device(id) {
      const path = `node/${encodeURIComponent(id)}`;
      const found = await unlessUnknown(ask({ what: "read a machine", path }, z.object({ node })));
      return found && deviceOf(found.node);
    },
    async remove(id) {
      const path = `node/${encodeURIComponent(id)}`;
      await unlessUnknown(ask({ what: "delete a machine", path, method: "DELETE" }, nothing));
    },
    async rename(id, name) {
      const path = `node/${encodeURIComponent(id)}/rename/${encodeURIComponent(name)}`;
      await ask({ what: "rename a machine", path, method: "POST" }, nothing);
    },
  };
  return api;
}

const deviceOf = ({ id, nodeKey, givenName, ipAddresses, tags, expiry }: z.infer<typeof node>): TailnetDevice => ({
  id,
  nodeKey,
  name: givenName,
  addresses: ipAddresses,
  tags,
  // Go's zero time stands for a key that does not expire.
  ...(expiry && Date.parse(expiry) > 0 && { expires: expiry }),
});
