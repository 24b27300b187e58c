import { createHash } from "node:crypto";
import { z } from "zod";
import type { SshKeyRecord } from "../cloud/types.ts";
import { invalidInput, notUnique } from "./http/errors.ts";
import { labels, name, pathId, readBody } from "./http/input.ts";
import { list } from "./http/paging.ts";
import type { Call, Route } from "./http/router.ts";
import { del, get, post, put } from "./http/router.ts";
import { found } from "./locks.ts";

const KEY_TYPES = ["ssh-ed25519", "ssh-rsa", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521"];
const SK_TYPES = ["sk-ssh-ed25519@openssh.com", "sk-ecdsa-sha2-nistp256@openssh.com"];

/** MD5 over the key's bytes in pairs of digits, which is what the API still calls a fingerprint. @throws ApiError 422 */
function fingerprintOf(publicKey: string): string {
  const [type = "", base64 = ""] = publicKey.trim().split(/\s+/);
  const bytes = Buffer.from(base64, "base64");
  const typeInside = bytes.subarray(4, 4 + (bytes.length >= 4 ? bytes.readUInt32BE(0) : 0)).toString("latin1");
  if (![...KEY_TYPES, ...SK_TYPES].includes(type) || typeInside !== type) {
    throw invalidInput({ public_key: "is not a valid public key in OpenSSH format" });
  }
  return (createHash("md5").update(bytes).digest("hex").match(/../g) ?? []).join(":");
}

function render(key: SshKeyRecord): unknown {
  return {
    id: key.id,
    name: key.name,
    fingerprint: key.fingerprint,
    public_key: key.publicKey,
    labels: key.labels,
    created: key.created,
  };
}

function nameMustBeFree(call: Call, wanted: string, except?: number): void {
  for (const other of call.cloud.sshKeys.values()) {
    if (other.name === wanted && other.id !== except) throw notUnique("name");
  }
}

export const sshKeysApi: Route[] = [
  post("/ssh_keys", (call) => {
    const { cloud } = call;
    const body = readBody(call, z.object({ name, public_key: z.string(), labels: labels.optional() }));
    const fingerprint = fingerprintOf(body.public_key);
    nameMustBeFree(call, body.name);
    for (const other of cloud.sshKeys.values()) {
      if (other.fingerprint === fingerprint) throw notUnique("public_key", "SSH key not unique");
    }
    const key: SshKeyRecord = {
      id: cloud.nextId("ssh_key"),
      name: body.name,
      labels: body.labels ?? {},
      created: cloud.now(),
      publicKey: body.public_key,
      fingerprint,
    };
    cloud.sshKeys.set(key.id, key);
    cloud.onChange();
    return { status: 201, body: { ssh_key: render(key) } };
  }),
  get("/ssh_keys", (call) => {
    const fingerprint = call.query.get("fingerprint");
    const keys = [...call.cloud.sshKeys.values()].filter(
      (key) => fingerprint === null || key.fingerprint === fingerprint,
    );
    return list(call, "ssh_keys", keys, render);
  }),
  get("/ssh_keys/{id}", (call) => ({
    status: 200,
    body: { ssh_key: render(found("SSH key", call.cloud.sshKeys, pathId(call))) },
  })),
  put("/ssh_keys/{id}", (call) => {
    const key = found("SSH key", call.cloud.sshKeys, pathId(call));
    const body = readBody(call, z.object({ name: name.optional(), labels: labels.optional() }));
    if (body.name !== undefined) nameMustBeFree(call, body.name, key.id);
    key.name = body.name ?? key.name;
    key.labels = body.labels ?? key.labels;
    call.cloud.onChange();
    return { status: 200, body: { ssh_key: render(key) } };
  }),
  del("/ssh_keys/{id}", (call) => {
    const key = found("SSH key", call.cloud.sshKeys, pathId(call));
    call.cloud.sshKeys.delete(key.id);
    call.cloud.onChange();
    return { status: 204 };
  }),
];
