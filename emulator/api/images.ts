import { z } from "zod";
import { systemImages } from "../catalog/images.ts";
import type { Cloud } from "../cloud/cloud.ts";
import type { OwnImageRecord } from "../cloud/types.ts";
import { actionReply, actionRoutes } from "./actions.ts";
import { invalidInput, isProtected, notFound, unprocessable } from "./http/errors.ts";
import { labels, pathId, readBody } from "./http/input.ts";
import { list } from "./http/paging.ts";
import type { Call, Route } from "./http/router.ts";
import { del, get, post, put } from "./http/router.ts";
import { found } from "./locks.ts";
import { renderOwnImage, renderSystemImage } from "./render-catalog.ts";

interface AnyImage {
  id: number;
  name: string | null;
  type: "system" | "snapshot" | "backup";
  status: "creating" | "available";
  architecture: "x86" | "arm";
  osFlavor: string;
  osVersion: string | null;
  labels: Record<string, string>;
  created: string;
  deprecated: string | null;
  boundTo: number | null;
  /** GB of the disk that it was taken from; `null` fits everywhere. */
  diskSize: number | null;
  rendered: unknown;
}

const system: AnyImage[] = systemImages.map((image) => ({
  id: image.id,
  name: image.name,
  type: "system",
  status: "available",
  architecture: image.architecture,
  osFlavor: image.os_flavor,
  osVersion: image.os_version,
  labels: {},
  created: image.created,
  deprecated: image.deprecated,
  boundTo: null,
  diskSize: null,
  rendered: renderSystemImage(image),
}));

function own(image: OwnImageRecord): AnyImage {
  return {
    id: image.id,
    name: null,
    type: image.type,
    status: image.status,
    architecture: image.architecture,
    osFlavor: image.osFlavor,
    osVersion: image.osVersion,
    labels: image.labels,
    created: image.created,
    deprecated: null,
    boundTo: image.type === "backup" ? image.server.id : null,
    diskSize: image.diskSize,
    rendered: renderOwnImage(image),
  };
}

export function findImage(cloud: Cloud, id: number): AnyImage | undefined {
  const mine = cloud.images.get(id);
  return mine === undefined ? system.find((image) => image.id === id) : own(mine);
}

/** The image that a request means, for a server of that architecture and disk in GB. @throws ApiError 422 */
export function resolveImage(
  cloud: Cloud,
  idOrName: string,
  { architecture, disk }: { architecture: "x86" | "arm"; disk: number },
): AnyImage {
  const named = system.find((image) => image.name === idOrName && image.architecture === architecture);
  const image = named ?? (/^[0-9]+$/.test(idOrName) ? findImage(cloud, Number(idOrName)) : undefined);
  if (image === undefined) throw invalidInput({ image: `image '${idOrName}' not found` });
  if (image.architecture !== architecture) {
    throw invalidInput({ image: `image '${idOrName}' has another architecture than the server type` });
  }
  if (image.status !== "available") throw invalidInput({ image: `image '${idOrName}' is not available` });
  if (isWithdrawn(image)) throw invalidInput({ image: `image '${idOrName}' is deprecated` });
  if ((image.diskSize ?? 0) > disk) throw invalidInput({ image: `image '${idOrName}' is larger than the disk` });
  return image;
}

/** Three months after its deprecation. */
function isWithdrawn({ deprecated }: AnyImage): boolean {
  if (deprecated === null) return false;
  const end = new Date(deprecated);
  end.setUTCMonth(end.getUTCMonth() + 3);
  return end.getTime() < Date.now();
}

const updateBody = z.object({
  description: z.string().optional(),
  type: z.literal("snapshot").optional(),
  labels: labels.optional(),
});

function changeable(call: Call): OwnImageRecord {
  const id = pathId(call);
  if (system.some((image) => image.id === id)) throw unprocessable("service_error", "system images cannot be changed");
  return found("image", call.cloud.images, id);
}

export const imagesApi: Route[] = [
  get("/images", (call) => {
    const { query, cloud } = call;
    const wanted = (key: string) => query.getAll(key);
    const allows = (key: string, value: string) => wanted(key).length === 0 || wanted(key).includes(value);
    const images = [...system, ...[...cloud.images.values()].map(own)].filter(
      (image) =>
        allows("type", image.type) &&
        allows("status", image.status) &&
        allows("architecture", image.architecture) &&
        (wanted("bound_to").length === 0 || wanted("bound_to").includes(String(image.boundTo))) &&
        (image.deprecated === null || query.get("include_deprecated") === "true"),
    );
    return list(call, "images", images, (image) => image.rendered);
  }),
  get("/images/{id}", (call) => {
    const id = pathId(call);
    const image = findImage(call.cloud, id);
    if (image === undefined) throw notFound("image", id);
    return { status: 200, body: { image: image.rendered } };
  }),
  put("/images/{id}", (call) => {
    const image = changeable(call);
    const body = readBody(call, updateBody);
    if (body.description !== undefined) image.description = body.description;
    if (body.type !== undefined) image.type = body.type;
    if (body.labels !== undefined) image.labels = body.labels;
    call.cloud.onChange();
    return { status: 200, body: { image: renderOwnImage(image) } };
  }),
  del("/images/{id}", (call) => {
    const image = changeable(call);
    if (image.protection.delete) throw isProtected(image.type, `${image.type} deletion is protected`);
    call.cloud.images.delete(image.id);
    call.cloud.machines?.imageGone(image.id);
    call.cloud.onChange();
    return { status: 204 };
  }),
  post("/images/{id}/actions/change_protection", (call) => {
    const image = changeable(call);
    const body = readBody(call, z.object({ delete: z.boolean().optional() }));
    image.protection = { delete: body.delete ?? image.protection.delete };
    const action = call.cloud.startAction({
      command: "change_protection",
      resources: [{ id: image.id, type: "image" }],
      fault: call.actionFault,
    });
    return actionReply(call, action);
  }),
  ...actionRoutes("images", "image", (cloud, id) => findImage(cloud, id) !== undefined),
];
