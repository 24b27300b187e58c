import { didYouMean } from "../../base/nearest.ts";
import { architectureOf } from "../../project/settings/server/architecture.ts";
import {
  costProblems,
  type Finding,
  isOnSale,
  type ServerType,
  saleProblems,
  soldSomewhere,
  unavailable,
} from "./catalogue.ts";
import { type SaleSettings, typesOf } from "./choices.ts";

/**
 * Why no server can be ordered with these settings: a name that Hetzner does not have, nothing in stock, or the dearest candidate
 * costs more than the limit.
 */
export function poolProblems(
  types: readonly ServerType[],
  settings: SaleSettings,
  limit: number | undefined,
): Finding[] {
  const names = typesOf(settings);
  const locations = settings.locations ?? [settings.location];
  const [only = ""] = locations;
  if (names.length === 1 && settings.locations === undefined)
    return saleProblems(types, { type: settings.serverType, location: only, limit });
  const unknown = [...unknownTypes(types, settings), ...unknownLocations(types, locations)];
  if (unknown.length > 0) return unknown;

  const candidates = names.flatMap((name) => {
    const type = types.find((each) => each.name === name);
    return type ? locations.filter((each) => isOnSale(type, each)).map((location) => ({ type, location })) : [];
  });
  if (candidates.length === 0) return [nothingFits(types, names, locations)];
  const tooDear = candidates.flatMap(({ type, location }) =>
    costProblems(type, location, limit).map((finding) => ({ finding, eur: netOf(type, location) })),
  );
  const [dearest] = tooDear.sort((a, b) => b.eur - a.eur);
  return dearest ? [dearest.finding] : [];
}

const netOf = ({ prices }: ServerType, location: string) =>
  Number(prices.find((each) => each.location === location)?.price_monthly.net ?? 0);

/** A pool has one architecture. */
const isOfPool = ({ architecture }: ServerType, first: string) => architecture === architectureOf(first);

function unknownTypes(types: readonly ServerType[], settings: SaleSettings): Finding[] {
  const known = types.filter((type) => isOfPool(type, settings.serverType));
  const sold = soldSomewhere(known);
  return typesOf(settings)
    .filter((name) => !known.some((each) => each.name === name))
    .map((name) => ({
      setting: name === settings.serverType ? ("serverType" as const) : ("serverTypes" as const),
      code: "type-unavailable" as const,
      problem: `"${name}" is not sold by Hetzner${didYouMean(name, sold)}; available: ${sold.join(", ")}.`,
    }));
}

function unknownLocations(types: readonly ServerType[], locations: readonly string[]): Finding[] {
  const known = [...new Set(types.flatMap((type) => type.locations.map(({ name }) => name)))];
  return locations
    .filter((name) => !known.includes(name))
    .map((name) => ({
      setting: "location" as const,
      code: "type-unavailable" as const,
      problem: `"${name}" is not a location of Hetzner's${didYouMean(name, known)}; its locations: ${known.join(", ")}.`,
    }));
}

/** Says for each type why each location is out, what is in stock there, and where else the types are. */
function nothingFits(types: readonly ServerType[], names: readonly string[], locations: readonly string[]): Finding {
  const sold = names.flatMap((name) => types.find((each) => each.name === name) ?? []);
  const reasons = sold.map((type) => {
    const reasonIn = (location: string) => {
      const here = type.locations.find(({ name }) => name === location);
      return here ? (unavailable(here) ?? "in stock") : "not sold";
    };
    const said = [...new Set(locations.map(reasonIn))].map(
      (reason) => `${reason} in ${locations.filter((each) => reasonIn(each) === reason).join(", ")}`,
    );
    return `"${type.name}" is ${said.join(" and ")}`;
  });
  const instead = locations.flatMap((location) => {
    const there = types.filter((each) => isOfPool(each, names[0] ?? "") && isOnSale(each, location));
    return there.length > 0 ? [`${location}: ${there.map(({ name }) => name).join(", ")}`] : [];
  });
  const elsewhere = sold.flatMap((type) => {
    const where = type.locations.filter((each) => unavailable(each) === undefined).map(({ name }) => name);
    return where.length > 0 ? [`${type.name} in ${where.join(", ")}`] : [];
  });
  return {
    setting: "location",
    code: "type-unavailable",
    problem: `no location has a server to order: ${reasons.join("; ")}.`,
    fix: `Types in stock: ${instead.join("; ") || "none in these locations"}. Other locations: ${elsewhere.join("; ") || "none has these types"}.`,
  };
}
