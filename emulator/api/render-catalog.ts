import type { SystemImage } from "../catalog/images.ts";
import { locations } from "../catalog/locations.ts";
import type { ServerType } from "../catalog/server-types.ts";
import type { OwnImageRecord } from "../cloud/types.ts";

const HOURS_PER_MONTH = 730;
const VAT = 1.19;
const INCLUDED_TRAFFIC_BYTES = 20 * 1024 ** 4;

export function price(net: number): { net: string; gross: string } {
  return { net: net.toFixed(10), gross: (net * VAT).toFixed(10) };
}

export function renderServerType(type: ServerType, soldOut: ReadonlySet<string>): unknown {
  return {
    id: type.id,
    name: type.name,
    description: type.description,
    category: type.category,
    cores: type.cores,
    memory: type.memory,
    disk: type.disk,
    storage_type: "local",
    cpu_type: type.cpu_type,
    architecture: type.architecture,
    deprecated: type.deprecation !== null,
    deprecation: type.deprecation,
    prices: type.offeredIn.map((location) => ({ location, ...serverPrices(type) })),
    locations: locations
      .filter((location) => type.offeredIn.includes(location.name))
      .map(({ id, name }) => {
        const available = type.deprecation === null && !soldOut.has(`${type.name} ${name}`);
        return { id, name, available, recommended: available, deprecation: type.deprecation };
      }),
  };
}

export function serverPrices(type: ServerType): Record<string, unknown> {
  return {
    price_hourly: price(type.monthlyNet / HOURS_PER_MONTH),
    price_monthly: price(type.monthlyNet),
    included_traffic: INCLUDED_TRAFFIC_BYTES,
    price_per_tb_traffic: price(1),
  };
}

export function renderSystemImage(image: SystemImage): unknown {
  return {
    id: image.id,
    type: "system",
    status: "available",
    name: image.name,
    description: image.description,
    image_size: null,
    disk_size: image.disk_size,
    created: image.created,
    created_from: null,
    bound_to: null,
    os_flavor: image.os_flavor,
    os_version: image.os_version,
    architecture: image.architecture,
    rapid_deploy: true,
    protection: { delete: false },
    deprecated: image.deprecated,
    deleted: null,
    labels: {},
  };
}

export function renderOwnImage(image: OwnImageRecord): unknown {
  return {
    id: image.id,
    type: image.type,
    status: image.status,
    name: null,
    description: image.description,
    image_size: image.status === "available" ? 1.2 : null,
    disk_size: image.diskSize,
    created: image.created,
    created_from: image.server,
    bound_to: image.type === "backup" ? image.server.id : null,
    os_flavor: image.osFlavor,
    os_version: image.osVersion,
    architecture: image.architecture,
    rapid_deploy: false,
    protection: image.protection,
    deprecated: null,
    deleted: null,
    labels: image.labels,
  };
}
