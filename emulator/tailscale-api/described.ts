import { z } from "zod";

/**
 * What Tailscale's own description of its API says of the requests that we send: paths, required scopes, fields and their types.
 * Facts carried over by hand from https://api.tailscale.com/api/v2?outputOpenapiSchema=true (operations createKey, getKey, deleteKey,
 * listTailnetDevices, getDevice, deleteDevice, setDeviceName; schemas Key, KeyCapabilities, Device), as published in mid-2026. The
 * token's endpoint is not in it; its facts are those of the OAuth clients page (tailscale.com/kb/1215) and of RFC 6749, 4.4.
 *
 * Deviations, all stricter: unknown fields are refused, and `tailnet` has to be `-`, the tailnet of the token.
 */
interface Operation {
  method: "GET" | "POST" | "DELETE";
  path: RegExp;
  /** One that allows it; undefined: no token is needed. */
  scope?: string;
  body?: z.ZodType;
  answer: z.ZodType;
}

const text = z.string();
const tags = z.array(z.string().regex(/^tag:[A-Za-z][A-Za-z0-9-]*$/));
const time = z.iso.datetime();

const capabilities = z.strictObject({
  devices: z.strictObject({
    create: z.strictObject({
      reusable: z.boolean().optional(),
      ephemeral: z.boolean().optional(),
      preauthorized: z.boolean().optional(),
      tags: tags.optional(),
    }),
  }),
});

const key = z.strictObject({
  id: text,
  /** Only when it is made. */
  key: text.optional(),
  keyType: z.literal("auth"),
  created: time,
  expires: time,
  revoked: time.optional(),
  invalid: z.boolean().optional(),
  description: text,
  capabilities,
});

const device = z.strictObject({
  id: text,
  nodeId: text,
  addresses: z.array(text),
  name: text,
  hostname: text,
  nodeKey: text,
  tags,
  created: time,
  expires: time,
  keyExpiryDisabled: z.boolean(),
  isEphemeral: z.boolean(),
  authorized: z.boolean(),
});

const createKey = z.strictObject({
  keyType: z.enum(["auth", "client", "federated"]).optional(),
  capabilities,
  expirySeconds: z.number().int().positive().optional(),
  description: z
    .string()
    .max(50)
    .regex(/^[A-Za-z0-9 -]*$/)
    .optional(),
});

const token = z.strictObject({
  grant_type: z.literal("client_credentials"),
  client_id: text,
  client_secret: text,
});

const id = "[A-Za-z0-9]+";
const at = (path: string) => new RegExp(`^/api/v2/${path}$`);
const nothing = z.null();

/** By operationId. */
export const operations = {
  token: {
    method: "POST",
    path: at("oauth/token"),
    body: token,
    answer: z.strictObject({ access_token: text, token_type: text, expires_in: z.number(), scope: text.optional() }),
  },
  createKey: { method: "POST", path: at("tailnet/-/keys"), scope: "auth_keys", body: createKey, answer: key },
  getKey: { method: "GET", path: at(`tailnet/-/keys/(${id})`), scope: "auth_keys:read", answer: key },
  deleteKey: { method: "DELETE", path: at(`tailnet/-/keys/(${id})`), scope: "auth_keys", answer: nothing },
  listTailnetDevices: {
    method: "GET",
    path: at("tailnet/-/devices"),
    scope: "devices:core:read",
    answer: z.strictObject({ devices: z.array(device) }),
  },
  getDevice: { method: "GET", path: at(`device/(${id})`), scope: "devices:core:read", answer: device },
  deleteDevice: { method: "DELETE", path: at(`device/(${id})`), scope: "devices:core", answer: nothing },
  setDeviceName: {
    method: "POST",
    path: at(`device/(${id})/name`),
    scope: "devices:core",
    body: z.strictObject({ name: text }),
    answer: nothing,
  },
} as const satisfies Record<string, Operation>;

export type OperationId = keyof typeof operations;
export type Key = z.infer<typeof key>;
export type Device = z.infer<typeof device>;
