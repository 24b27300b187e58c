import { answerOf, type Hetzner } from "../../base/hetzner/client.ts";
import { allServerTypes } from "../../base/hetzner/pages.ts";
import { didYouMean } from "../../base/nearest.ts";
import type { Objection } from "../../base/problem.ts";
import type { HostSettings } from "../../project/settings/host.ts";
import { defaultImage } from "../../project/settings/stack-config.ts";
import { policySettings } from "./cost-limit.ts";

export type ServerType = Awaited<ReturnType<typeof allServerTypes>>[number];

/** Where a type is wanted, and what a finding about it is called. */
interface Wanted {
  type: string;
  location: string;
  /** Why only some types will do, beside what Hetzner sells. */
  fits?: (type: ServerType) => boolean;
  /** Euros a month, net, that it may cost; left out: no limit. */
  limit: number | undefined;
}

const x86 = ({ architecture }: ServerType) => architecture === "x86";

/**
 * What keeps Hetzner from giving us a server of this type in this location now: the type or the location does not exist, it is
 * ARM, discontinued there, or sold out there.
 */
export function saleProblems(
  types: readonly ServerType[],
  { type: name, location, fits = x86, limit }: Wanted,
): Finding[] {
  const type = types.find((each) => each.name === name);
  if (!type) {
    const names = types.filter(x86).map((each) => each.name);
    const problem = `"${name}" is not sold by Hetzner${didYouMean(name, names)}; it has ${names.join(", ")}.`;
    return [{ setting: "serverType", code: "type-unavailable", problem }];
  }
  if (!x86(type)) {
    const problem = `"${name}" is ${type.architecture}; the host's flake builds x86_64-linux.`;
    return [{ setting: "serverType", code: "type-unsuitable", problem, fix: "Choose a CX, CPX or CCX type." }];
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

/** By Hetzner's own price, without IPv4 address, backups and volumes. */
function costProblems({ name, prices }: ServerType, location: string, limit: number | undefined): Finding[] {
  const net = prices.find((each) => each.location === location)?.price_monthly.net;
  if (limit === undefined || net === undefined || Number(net) <= limit) return [];
  return [
    {
      setting: "serverType",
      code: "cost-limit",
      problem: `"${name}" costs ${Number(net).toFixed(2)} EUR a month in ${location}, net, and a stack may cost ${limit}.`,
      fix: `Choose a smaller type, or raise "monthlyEur" of "cost-above-limit" in ${policySettings}.`,
    },
  ];
}

/** A problem of a setting of the stack file, without the file's name. */
export type Finding = Objection & { setting: "serverType" | "location" | "image" };

/** Whether a new server of this type can be had in this location now. */
export const isOnSale = ({ locations }: ServerType, location: string): boolean =>
  locations.some((each) => each.name === location && unavailable(each) === undefined);

/** `available` came on 2026-04-01, after the API description that the types are made from. */
type Place = ServerType["locations"][number] & { available?: boolean };

function unavailable({ available, deprecation }: Place): string | undefined {
  if (deprecation && Date.parse(deprecation.unavailable_after) <= Date.now()) {
    return `discontinued (since ${deprecation.unavailable_after.slice(0, 10)})`;
  }
  return available === false ? "sold out" : undefined;
}

/** What would keep a new server of these settings from being made. Only Hetzner knows; two requests at most. */
export async function checkNewServer(
  hetzner: Hetzner,
  { serverType, location, image }: Pick<HostSettings, "serverType" | "location" | "image">,
  limit: number | undefined,
): Promise<Finding[]> {
  const [types, imageProblems] = await Promise.all([allServerTypes(hetzner), checkImage(hetzner, image)]);
  return [...saleProblems(types, { type: serverType, location, limit }), ...imageProblems];
}

/** For x86, which is what the flake builds. No request for the default image. */
export async function checkImage(hetzner: Hetzner, name: string): Promise<Finding[]> {
  if (name === defaultImage) return [];
  const query = { name, architecture: "x86" as const, per_page: 50 };
  const { images } = await answerOf("look up the image", hetzner.GET("/images", { params: { query } }));
  if (images.length > 0) return [];
  return [
    {
      setting: "image",
      code: "type-unavailable",
      problem: `Hetzner has no x86 image named "${name}"; e.g. debian-12.`,
    },
  ];
}
