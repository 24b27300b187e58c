import type { Hetzner } from "../../base/hetzner/client.ts";
import { allServerTypes } from "../../base/hetzner/pages.ts";
import type { HostSettings } from "../../project/settings/host.ts";
import { checkImage, type Finding } from "./catalogue.ts";
import type { SaleSettings } from "./choices.ts";
import { poolProblems } from "./pool.ts";

/** Why a new server with these settings cannot be created. Asks Hetzner, with two requests at most. */
export async function checkNewServer(
  hetzner: Hetzner,
  settings: SaleSettings & Pick<HostSettings, "image">,
  limit: number | undefined,
): Promise<Finding[]> {
  const [types, imageProblems] = await Promise.all([
    allServerTypes(hetzner),
    checkImage(hetzner, settings.image, settings.serverType),
  ]);
  return [...poolProblems(types, settings, limit), ...imageProblems];
}
