import { answerOf, type Hetzner } from "../../base/hetzner/client.ts";
import { HetznerApiError } from "../../base/hetzner/errors.ts";
import type { allServerTypes } from "../../base/hetzner/pages.ts";
import { didYouMean } from "../../base/nearest.ts";
import type { Objection } from "../../base/problem.ts";
import { type Architecture, architectureOf, nixSystemOf } from "../../project/settings/server/architecture.ts";
import type { InstallSettings } from "../../project/settings/stack-config/install.ts";
import { defaultImage } from "../../project/settings/stack-config/stack-config.ts";
import { imageLabel } from "../image/labels.ts";
import { policySettings } from "./cost-limit.ts";

export type ServerType = Awaited<ReturnType<typeof allServerTypes>>[number];

/** A server type and location to check. */
interface Wanted {
  type: string;
  location: string;
  /** Further condition on a type, besides being on sale. */
  fits?: (type: ServerType) => boolean;
  /** Highest net price in euros a month; undefined: no limit. */
  limit: number | undefined;
}

/** By the API and not by name, as the flake decides: the two must agree. */
const isOf = (architecture: Architecture) => (type: ServerType) => type.architecture === architecture;

/**
 * Why this server type cannot be ordered in this location now: the type or location does not exist, or it is
 * discontinued or sold out there.
 */
export function saleProblems(
  types: readonly ServerType[],
  { type: name, location, fits = isOf(architectureOf(name)), limit }: Wanted,
): Finding[] {
  const type = types.find((each) => each.name === name);
  if (!type) {
    const names = types.filter(isOf(architectureOf(name))).map((each) => each.name);
    const problem = `"${name}" is not sold by Hetzner${didYouMean(name, names)}; available: ${names.join(", ")}.`;
    return [{ setting: "serverType", code: "type-unavailable", problem }];
  }
  if (!isOf(architectureOf(name))(type)) {
    const problem = `"${name}" is ${type.architecture}; the host's flake builds ${nixSystemOf(name)}.`;
    return [{ setting: "serverType", code: "type-unsuitable", problem, fix: "Choose a CX, CPX, CCX or CAX type." }];
  }
  const locations = type.locations.map((each) => each.name);
  const here = type.locations.find((each) => each.name === location);
  if (!here) {
    const problem = `"${location}" does not have ${name}${didYouMean(location, locations)}; it is sold in ${locations.join(", ")}.`;
    return [{ setting: "location", code: "type-unavailable", problem }];
  }
  const reason = unavailable(here);
  if (reason === undefined) return costProblems(type, location, limit);
  const elsewhere = type.locations.filter((each) => unavailable(each) === undefined).map((each) => each.name);
  const instead = types.filter((each) => each !== type && fits(each) && isOnSale(each, location));
  const names = instead.map((each) => each.name).join(", ") || "none";
  return [
    {
      setting: "serverType",
      code: "type-unavailable",
      problem: `"${name}" is ${reason} in ${location}.`,
      fix: `Types that are available there: ${names}; locations that have ${name}: ${elsewhere.join(", ") || "none"}.`,
    },
  ];
}

/** Compares Hetzner's price of the server alone, without IPv4 address, backups and volumes. */
export function costProblems({ name, prices }: ServerType, location: string, limit: number | undefined): Finding[] {
  const net = prices.find((each) => each.location === location)?.price_monthly.net;
  if (limit === undefined || net === undefined || Number(net) <= limit) return [];
  return [
    {
      setting: "serverType",
      code: "cost-limit",
      problem: `"${name}" costs ${Number(net).toFixed(2)} EUR a month net in ${location}; the limit is ${limit}.`,
      fix: `Choose a smaller type, or raise "monthlyEur" of "cost-above-limit" in ${policySettings}.`,
    },
  ];
}

/** A problem with a setting in the stack file, without the file's name. */
export type Finding = Objection & { setting: "serverType" | "serverTypes" | "location" | "image" };

/** True if a new server of this type can be ordered in this location now. */
export const isOnSale = ({ locations }: ServerType, location: string): boolean =>
  locations.some((each) => each.name === location && unavailable(each) === undefined);

/** Hetzner added `available` on 2026-04-01, after the API description that our types are generated from. */
type Place = ServerType["locations"][number] & { available?: boolean };

/** @returns undefined if it can be ordered */
export function unavailable({ available, deprecation }: Place): string | undefined {
  if (deprecation && Date.parse(deprecation.unavailable_after) <= Date.now()) {
    return `discontinued (since ${deprecation.unavailable_after.slice(0, 10)})`;
  }
  return available === false ? "sold out" : undefined;
}

/** A disk that an image has to fit on. */
export interface Disk {
  /** Of which server type, or of the existing server. */
  of: string;
  gigabytes: number;
}

/** The disks of the server types that may be ordered. */
export const disksOf = (types: readonly ServerType[], names: readonly string[]): Disk[] =>
  types
    .filter(({ name }) => names.includes(name))
    .map(({ name, disk }) => ({ of: `server type "${name}"`, gigabytes: disk }));

interface ImageCheck {
  /** Name or id. */
  image: string;
  serverType: string;
  /** Every disk that the image may be written to; asked for a snapshot alone, since a system image fits everywhere. @default not compared */
  disks?: () => Promise<readonly Disk[]>;
  /** Whose server it is for, and how that is installed. @default not compared */
  host?: string;
  install?: Pick<InstallSettings, "mode">;
}

/**
 * Checks that the image exists for the server type's architecture, is ready, and fits on the disk. An id is a snapshot of the project.
 * Sends no request for the default image.
 */
export async function checkImage(hetzner: Hetzner, check: ImageCheck): Promise<Finding[]> {
  const { image, serverType } = check;
  if (image === defaultImage) return [];
  if (/^[0-9]+$/.test(image)) return checkImageId(hetzner, Number(image), check);
  const query = { name: image, per_page: 50 };
  const { images } = await answerOf("look up the image", hetzner.GET("/images", { params: { query } }));
  const architecture = architectureOf(serverType);
  if (images.some((each) => each.architecture === architecture)) return [];
  const fix = "Use e.g. debian-12, or the id of a snapshot.";
  const [other] = images;
  if (other) return [foreignImage(`"${image}"`, other.architecture, serverType, fix)];
  const problem = `Hetzner has no image named "${image}".`;
  return [{ setting: "image", code: "type-unavailable", problem, fix }];
}

const foreignImage = (image: string, architecture: string, serverType: string, fix: string): Finding => ({
  setting: "image",
  code: "type-unsuitable",
  problem: `the image ${image} is for ${architecture}, but the server type "${serverType}" is ${architectureOf(serverType)}.`,
  fix,
});

/** Hetzner refuses to write a snapshot to a disk smaller than the one it was taken from, however little is on it. */
function tooLarge(id: number, size: number, disks: readonly Disk[]): Finding[] {
  const small = disks.filter(({ gigabytes }) => gigabytes < size);
  if (small.length === 0) return [];
  const which = small.map(({ of, gigabytes }) => `${of} (${gigabytes} GB)`).join(", ");
  return [
    {
      setting: "image",
      code: "type-unsuitable",
      problem: `the image ${id} was taken from a disk of ${size} GB, which does not fit on the disk of ${which}.`,
      fix: `Use a server type with a disk of ${size} GB or more, or a snapshot of a smaller server.`,
    },
  ];
}

/** What is in a snapshot cannot be read from outside: only the label that `image bake` sets says that it has no identity. */
function unfitSnapshot(
  id: number,
  bakedFor: string | undefined,
  host: string,
  mode: InstallSettings["mode"],
): Finding[] {
  if (mode === "snapshot" && bakedFor === undefined) return notBaked(id);
  if (bakedFor === undefined) return [];
  const code = "type-unsuitable";
  if (bakedFor !== host) {
    const problem = `the snapshot ${id} was baked for ${bakedFor}, and holds that host's system.`;
    return [{ setting: "image", code, problem, fix: `Make one for this host: clawdlets image bake --host ${host}` }];
  }
  if (mode === "snapshot") return [];
  const problem = `the snapshot ${id} was made by "image bake", and has no cloud-init, which a full installation needs.`;
  return [{ setting: "image", code, problem, fix: 'Set clawdlets:install.mode to "snapshot", or use e.g. debian-12.' }];
}

const notBaked = (id: number): Finding[] => [
  {
    setting: "image",
    code: "type-unsuitable",
    problem: `the image ${id} was not made by "image bake", so it may hold the identity of a host.`,
    fix: 'Set clawdlets:install.mode to "full", or make one: clawdlets image bake',
  },
];

async function checkImageId(
  hetzner: Hetzner,
  id: number,
  { serverType, disks, host, install }: Omit<ImageCheck, "image">,
): Promise<Finding[]> {
  const architecture = architectureOf(serverType);
  const fix = `Use the id of a snapshot for ${architecture} in this Hetzner project that is available, or a system image, e.g. debian-12.`;
  const refused = (problem: string): Finding[] => [{ setting: "image", code: "type-unavailable", problem, fix }];
  const unknown = `Hetzner has no image with the id ${id} in the project of this token.`;
  try {
    const params = { params: { path: { id } } };
    const { image } = await answerOf("look up the image", hetzner.GET("/images/{id}", params));
    if (!image) return refused(unknown);
    if (image.architecture !== architecture) return [foreignImage(String(id), image.architecture, serverType, fix)];
    if (image.type === "backup") return refused(`the image ${id} is a backup, which belongs to its own server.`);
    if (image.status !== "available") return refused(`the image ${id} is ${image.status}, not available.`);
    if (image.type !== "snapshot") return install?.mode === "snapshot" ? notBaked(id) : [];
    const unfit =
      host !== undefined && install ? unfitSnapshot(id, image.labels?.[imageLabel], host, install.mode) : [];
    return [...(disks ? tooLarge(id, image.disk_size, await disks()) : []), ...unfit];
  } catch (error) {
    if (!(error instanceof HetznerApiError) || error.code !== "not_found") throw error;
    return refused(unknown);
  }
}
