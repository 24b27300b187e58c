import type { HostSettings } from "../../project/settings/host.ts";

/** The settings that say what may be ordered. */
export type TypeSettings = Pick<HostSettings, "serverType"> & Partial<Pick<HostSettings, "serverTypes">>;
export type SaleSettings = TypeSettings & Pick<HostSettings, "location" | "locations">;

/** What a server's type and location are drawn from. */
export interface Placement {
  /** Candidates for the location. @default no draw: `settings.location` */
  locations?: string[];
  /** Candidates for the type. @default no draw: `settings.serverType` */
  types?: string[];
  /** Type of the existing server, or the one that it changes to; overrides what was drawn. @default what was drawn */
  serverType?: string;
  /** Whether the candidates replace an earlier draw, with which nothing was bought. */
  redraw: boolean;
}

/** True if the settings leave a choice, so that the state has to keep what was chosen. */
export const hasPool = ({ locations, serverTypes = [] }: SaleSettings): boolean =>
  locations !== undefined || serverTypes.length > 0;

/** The types in the order in which they are tried. */
export const typesOf = ({ serverType, serverTypes = [] }: TypeSettings): string[] => [
  ...new Set([serverType, ...serverTypes]),
];

/** The type that the settings want for a server that has one: its own if they allow it. */
export function wantedType(settings: TypeSettings, current: string | undefined): string {
  return current !== undefined && typesOf(settings).includes(current) ? current : settings.serverType;
}
