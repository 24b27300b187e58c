import { actionsApi } from "./actions.ts";
import { catalogApi } from "./catalog.ts";
import { firewallsApi } from "./firewalls.ts";
import { imagesApi } from "./images.ts";
import { networksApi } from "./networks.ts";
import { placementGroupsApi } from "./placement-groups.ts";
import { primaryIpsApi } from "./primary-ips.ts";
import type { Route } from "./router.ts";
import { serverActionsApi } from "./server-actions.ts";
import { serverDiskApi } from "./server-disk.ts";
import { serverNetworksApi } from "./server-networks.ts";
import { serversApi } from "./servers.ts";
import { sshKeysApi } from "./ssh-keys.ts";
import { volumesApi } from "./volumes.ts";

/** Every endpoint that is emulated. */
export const routes: readonly Route[] = [
  ...serversApi,
  ...serverActionsApi,
  ...serverDiskApi,
  ...serverNetworksApi,
  ...firewallsApi,
  ...sshKeysApi,
  ...primaryIpsApi,
  ...placementGroupsApi,
  ...networksApi,
  ...volumesApi,
  ...imagesApi,
  ...catalogApi,
  ...actionsApi,
];
