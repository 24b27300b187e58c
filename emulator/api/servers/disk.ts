import { z } from "zod";
import { serverTypeByName } from "../../catalog/server-types.ts";
import { renderAction } from "../actions.ts";
import { ApiError, unprocessable } from "../http/errors.ts";
import { idOrName, labels, readBody } from "../http/input.ts";
import type { Call, Reply, Route } from "../http/router.ts";
import { post } from "../http/router.ts";
import { resolveImage } from "../images.ts";
import { unlockedServer } from "../locks.ts";
import { renderOwnImage } from "../render-catalog.ts";
import { startOnServer } from "./actions.ts";
import { newPassword } from "./machine.ts";
import { userData } from "./servers.ts";

function rebuild(call: Call): Reply {
  const server = unlockedServer(call);
  const body = readBody(call, z.object({ image: idOrName, user_data: userData.optional() }));
  if (server.protection.rebuild) throw new ApiError(423, "protected", "server is rebuild protected");
  const architecture = serverTypeByName(server.serverType)?.architecture ?? "x86";
  const image = resolveImage(call.cloud, body.image, { architecture, disk: server.primaryDiskSize });
  server.status = "rebuilding";
  call.cloud.machines?.halt(server);
  const action = startOnServer(call, server, "rebuild_server", {
    do: "server.rebuilt",
    server: server.id,
    image: image.id,
    // Without new user_data the old one is kept: it stays at the metadata service for the life of the server.
    userData: body.user_data ?? server.userData,
  });
  return {
    status: 201,
    body: {
      action: renderAction(call.cloud, action),
      root_password: server.authorizedKeys.length === 0 ? newPassword() : null,
    },
  };
}

function createImage(call: Call): Reply {
  const server = unlockedServer(call);
  const body = readBody(
    call,
    z.object({
      type: z.enum(["snapshot", "backup"]).optional(),
      description: z.string().optional(),
      labels: labels.optional(),
    }),
  );
  const type = body.type ?? "snapshot";
  if (type === "backup" && server.backupWindow === null) {
    throw unprocessable("service_error", "backups are not enabled for the server");
  }
  const imageId = call.cloud.nextId("image");
  const image = {
    id: imageId,
    labels: body.labels ?? {},
    created: call.cloud.now(),
    type,
    description: body.description ?? `snapshot ${imageId}`,
    server: { id: server.id, name: server.name },
    osFlavor: server.machine.os === "debian" ? "debian" : "unknown",
    osVersion: null,
    architecture: serverTypeByName(server.serverType)?.architecture ?? "x86",
    diskSize: server.primaryDiskSize,
    status: "creating" as const,
    protection: { delete: false },
    disk: server.machine.disk,
  };
  call.cloud.images.set(imageId, image);
  call.cloud.machines?.keepDisk(server, imageId);
  const action = call.cloud.startAction({
    command: "create_image",
    resources: [
      { id: server.id, type: "server" },
      { id: imageId, type: "image" },
    ],
    effect: { do: "image.ready", image: imageId },
    fault: call.actionFault,
  });
  return { status: 201, body: { action: renderAction(call.cloud, action), image: renderOwnImage(image) } };
}

export const serverDiskApi: Route[] = [
  post("/servers/{id}/actions/rebuild", rebuild),
  post("/servers/{id}/actions/create_image", createImage),
];
