import type { allServerTypes } from "../../base/hetzner/pages.ts";
import { didYouMean } from "../../base/nearest.ts";
import type { Objection } from "../../base/problem.ts";
import { type Architecture, architectureOf, nixSystemOf } from "../../project/settings/server/architecture.ts";
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
    const names = soldSomewhere(types.filter(isOf(architectureOf(name))));
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

/** The names of types that can be ordered in one location at least, or are only sold out: Hetzner lists discontinued ones for months. */
export const soldSomewhere = (types: readonly ServerType[]): string[] =>
  types.filter(({ locations }) => locations.some((each) => !isDiscontinued(each))).map(({ name }) => name);

/** True if a new server of this type can be ordered in this location now. */
export const isOnSale = ({ locations }: ServerType, location: string): boolean =>
  locations.some((each) => each.name === location && unavailable(each) === undefined);

/** Hetzner added `available` on 2026-04-01, after the API description that our types are generated from. */
type Place = ServerType["locations"][number] & { available?: boolean };

/** @returns undefined if it can be ordered */
export function unavailable({ available, deprecation }: Place): string | undefined {
  if (deprecation && isDiscontinued({ deprecation })) {
    return `discontinued (since ${deprecation.unavailable_after.slice(0, 10)})`;
  }
  return available === false ? "sold out" : undefined;
}

const isDiscontinued = ({ deprecation }: Pick<Place, "deprecation">): boolean =>
  deprecation != null && Date.parse(deprecation.unavailable_after) <= Date.now();
