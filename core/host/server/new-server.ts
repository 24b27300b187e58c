import type { Hetzner } from "../../base/hetzner/client.ts";
import { allServerTypes } from "../../base/hetzner/pages.ts";
import type { HostSettings } from "../../project/settings/host.ts";
import type { Finding } from "./catalogue.ts";
import { type SaleSettings, typesOf } from "./choices.ts";
import { checkImage, disksOf } from "./image.ts";
import { poolProblems } from "./pool.ts";

/** Why a new server with these settings cannot be created. Asks Hetzner, with two requests at most. */
export async function checkNewServer(
  hetzner: Hetzner,
  settings: SaleSettings & Pick<HostSettings, "image"> & Partial<Pick<HostSettings, "host" | "install">>,
  limit: number | undefined,
): Promise<Finding[]> {
  const asked = allServerTypes(hetzner);
  const disks = async () => disksOf(await asked, typesOf(settings));
  const [types, imageProblems] = await Promise.all([asked, checkImage(hetzner, { ...settings, disks })]);
  return [...poolProblems(types, settings, limit), ...imageProblems];
}
