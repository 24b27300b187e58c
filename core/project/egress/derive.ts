import { z } from "zod";
import type { OpenclawConfig } from "../bots/config.ts";
import data from "./domains.json" with { type: "json" };
import { type Need, needsOf } from "./needs.ts";

const entries = z.record(z.string(), z.object({ domains: z.record(z.string(), z.string()), source: z.string() }));
const table = z
  .object({ channels: entries, providers: entries, searches: entries, skills: entries, plugins: entries })
  .parse(data);

/** A domain that a bot needs, and why. */
export interface NeededDomain extends Omit<Need, "url"> {
  /** As in `clawdlets.egress.proxy.allowedDomains`. */
  domain: string;
  why: string;
  /** A page about it; left out for an address in the configuration. */
  source?: string;
}

export interface DerivedEgress {
  /** Sorted by domain. */
  needed: NeededDomain[];
  /** Of these the domains are not known. */
  unknown: Omit<Need, "url">[];
}

/** The domains that a configuration needs. nix/lib/egress/derived.nix has the same rules. */
export function deriveEgress(config: OpenclawConfig): DerivedEgress {
  const found = needsOf(config).map(({ url, ...need }) => ({
    need,
    domains: domainsOf({ ...need, ...(url !== undefined && { url }) }),
  }));
  return {
    needed: found.flatMap(({ need, domains = [] }) => domains.map((each) => ({ ...need, ...each }))).sort(byDomain),
    unknown: found.flatMap(({ need, domains }) => (domains ? [] : [need])),
  };
}

const byDomain = (a: NeededDomain, b: NeededDomain) => (a.domain < b.domain ? -1 : a.domain > b.domain ? 1 : 0);

type Domain = Pick<NeededDomain, "domain" | "why" | "source">;

function domainsOf({ kind, name, url = "" }: Need): Domain[] | undefined {
  switch (kind) {
    case "channel":
      return inTable(table.channels, name);
    case "provider":
      return inTable(table.providers, name);
    case "search":
      return inTable(table.searches, name);
    case "skill":
      return inTable(table.skills, name);
    case "plugin": {
      // What a channel or a provider brings is needed when that is configured.
      const others = [table.channels, table.providers, table.searches];
      return others.some((each) => Object.hasOwn(each, name)) ? [] : inTable(table.plugins, name);
    }
    case "address": {
      const domain = domainIn(url);
      return domain === undefined ? undefined : [{ domain, why: "its address" }];
    }
    default:
      return undefined;
  }
}

function inTable(known: z.infer<typeof entries>, name: string): Domain[] | undefined {
  const entry = Object.hasOwn(known, name) ? known[name] : undefined;
  return entry && Object.entries(entry.domains).map(([domain, why]) => ({ domain, why, source: entry.source }));
}

const label = "[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?";
const httpsUrl = new RegExp(`^https://((?:${label}\\.)+[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?)(?::443)?(?:[/?#]|$)`);

/** The domain of a URL that the proxy can reach: https, the default port, a name with a dot. */
const domainIn = (url: string): string | undefined => httpsUrl.exec(url.toLowerCase())?.[1];
