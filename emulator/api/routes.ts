import { actionsApi } from "./actions.ts";
import { catalogApi } from "./catalog.ts";
import { firewallsApi } from "./firewalls/firewalls.ts";
import type { Route } from "./http/router.ts";
import { imagesApi } from "./images.ts";
import { networksApi } from "./networks.ts";
import { placementGroupsApi } from "./placement-groups.ts";
import { primaryIpsApi } from "./primary-ips.ts";
import { serverActionsApi } from "./servers/actions.ts";
import { serverDiskApi } from "./servers/disk.ts";
import { serverNetworksApi } from "./servers/networks.ts";
import { serversApi } from "./servers/servers.ts";
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
