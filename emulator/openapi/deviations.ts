type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
type JsonObject = { [key: string]: Json };

// What has changed at Hetzner since the snapshot, or is wrong in it. README.md beside this lists the same, with reasons.

/** Applies the deviations to the description, which is changed in place. */
export function deviate(description: JsonObject): JsonObject {
  visit(description, (node) => {
    withoutDatacenter(node);
    unassignedPrimaryIps(node);
  });
  sshKeysByIdOrName(description);
  assigneeTypeIsOptional(description);
  return description;
}

/** `datacenter` left servers and primary IPs after 2026-07-01: it must not be there. */
function withoutDatacenter(node: JsonObject): void {
  const { properties, required } = node;
  if (!isObject(properties ?? null) || !Array.isArray(required) || !required.includes("datacenter")) return;
  node["required"] = required.filter((name) => name !== "datacenter");
  (properties as JsonObject)["datacenter"] = { not: {} };
}

/** Since 2026-08-01 `assignee_type` of a primary IP may be `unassigned`. */
function unassignedPrimaryIps(node: JsonObject): void {
  const type = isObject(node["properties"] ?? null) ? (node["properties"] as JsonObject)["assignee_type"] : undefined;
  if (isObject(type ?? null) && Array.isArray((type as JsonObject)["enum"])) {
    (type as JsonObject)["enum"] = ["server", "unassigned"];
  }
}

/** hcloud-go sends numbers in `ssh_keys`, `server_type`, `image` and the like; the real API takes both. */
function sshKeysByIdOrName(description: JsonObject): void {
  const idOrName = { anyOf: [{ type: "string" }, { type: "integer" }] };
  const server = requestProperties(description, "/servers");
  if (isObject(server["ssh_keys"] ?? null)) (server["ssh_keys"] as JsonObject)["items"] = idOrName;
  for (const name of ["server_type", "image", "location"]) server[name] = idOrName;
  requestProperties(description, "/volumes")["location"] = idOrName;
  for (const [action, name] of [
    ["change_type", "server_type"],
    ["rebuild", "image"],
    ["attach_iso", "iso"],
  ] as const) {
    requestProperties(description, `/servers/{id}/actions/${action}`)[name] = idOrName;
  }
}

/** The provider leaves `assignee_type` out where there is no assignee. */
function assigneeTypeIsOptional(description: JsonObject): void {
  const schema = requestSchema(description, "/primary_ips");
  const required = schema["required"];
  if (Array.isArray(required)) schema["required"] = required.filter((name) => name !== "assignee_type");
}

function requestProperties(description: JsonObject, path: string): JsonObject {
  return requestSchema(description, path)["properties"] as JsonObject;
}

function requestSchema(description: JsonObject, path: string): JsonObject {
  let node: Json = description;
  for (const key of ["paths", path, "post", "requestBody", "content", "application/json", "schema"]) {
    if (!isObject(node)) throw new Error(`openapi.json: no ${key} on the way to the request of POST ${path}`);
    node = node[key] ?? null;
  }
  if (!isObject(node)) throw new Error(`openapi.json: POST ${path} has no request schema`);
  const reference = node["$ref"];
  if (typeof reference !== "string") return node;
  const schemas = (description["components"] as JsonObject)["schemas"] as JsonObject;
  return schemas[reference.replace("#/components/schemas/", "")] as JsonObject;
}

function visit(node: Json, change: (node: JsonObject) => void): void {
  if (Array.isArray(node)) {
    for (const item of node) visit(item, change);
  } else if (isObject(node)) {
    change(node);
    for (const value of Object.values(node)) visit(value, change);
  }
}

function isObject(node: Json): node is JsonObject {
  return node !== null && typeof node === "object" && !Array.isArray(node);
}
