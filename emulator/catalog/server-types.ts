import { locations } from "./locations.ts";

export interface ServerType {
  id: number;
  name: string;
  description: string;
  category: string;
  cores: number;
  memory: number;
  disk: number;
  cpu_type: "shared" | "dedicated";
  architecture: "x86" | "arm";
  monthlyNet: number;
  /** Where it can be ordered, or could before it was retired. */
  offeredIn: readonly string[];
  deprecation: { announced: string; unavailable_after: string } | null;
}

const EUROPE = ["fsn1", "nbg1", "hel1"];
const EVERYWHERE = locations.map((location) => location.name);
const OVERSEAS = ["ash", "hil", "sin"];
// The cx22 generation: deprecated 2025-10-16, ordering ended at the turn of the year.
const CX22_GENERATION = { announced: "2025-10-16T06:00:00+00:00", unavailable_after: "2026-01-01T00:00:00+00:00" };

// The first generation.
const CX11_GENERATION = { announced: "2024-06-06T08:00:00+00:00", unavailable_after: "2024-09-06T08:00:00+00:00" };

const COST_OPTIMIZED = "cost_optimized";
const REGULAR = "regular_purpose";

type Row = [id: number, name: string, cores: number, memory: number, disk: number, monthlyNet: number];

const costOptimized: Row[] = [
  [114, "cx23", 2, 4, 40, 5.49],
  [115, "cx33", 4, 8, 80, 8.49],
  [116, "cx43", 8, 16, 160, 15.99],
  [117, "cx53", 16, 32, 320, 29.49],
];
const costOptimizedOld: Row[] = [
  [104, "cx22", 2, 4, 40, 3.79],
  [105, "cx32", 4, 8, 80, 6.8],
  [106, "cx42", 8, 16, 160, 16.4],
  [107, "cx52", 16, 32, 320, 32.4],
];
const retired: Row[] = [[1, "cx11", 1, 2, 20, 3.29]];
const regular: Row[] = [
  [108, "cpx12", 1, 2, 40, 9.99],
  [109, "cpx22", 2, 4, 80, 19.49],
  [110, "cpx32", 4, 8, 160, 35.49],
  [111, "cpx42", 8, 16, 320, 69.49],
  [112, "cpx52", 12, 24, 480, 100.49],
  [113, "cpx62", 16, 32, 640, 129.99],
];
const regularOld: Row[] = [
  [22, "cpx11", 2, 2, 40, 4.35],
  [23, "cpx21", 3, 4, 80, 7.55],
  [24, "cpx31", 4, 8, 160, 13.6],
  [25, "cpx41", 8, 16, 240, 25.2],
  [26, "cpx51", 16, 32, 360, 54.9],
];
const dedicated: Row[] = [
  [96, "ccx13", 2, 8, 80, 42.99],
  [97, "ccx23", 4, 16, 160, 85.99],
  [98, "ccx33", 8, 32, 240, 138.49],
  [99, "ccx43", 16, 64, 360, 275.99],
  [100, "ccx53", 32, 128, 600, 551.99],
  [101, "ccx63", 48, 192, 960, 827.99],
];
const arm: Row[] = [
  [45, "cax11", 2, 4, 40, 4.99],
  [93, "cax21", 4, 8, 80, 8.49],
  [94, "cax31", 8, 16, 160, 15.99],
  [95, "cax41", 16, 32, 320, 30.99],
];

/** What is listed. */
export const serverTypes: readonly ServerType[] = [
  ...rows(regularOld, {
    category: REGULAR,
    describe: (name) => upper(name).replace("CPX", "CPX "),
    offeredIn: OVERSEAS,
  }),
  ...rows(arm, { category: COST_OPTIMIZED, architecture: "arm", offeredIn: EUROPE }),
  ...rows(dedicated, {
    category: "general_purpose",
    describe: (name) => `${upper(name)} Dedicated CPU`,
    cpu_type: "dedicated",
    offeredIn: EVERYWHERE,
  }),
  ...rows(costOptimizedOld, { category: COST_OPTIMIZED, offeredIn: EUROPE, deprecation: CX22_GENERATION }),
  ...rows(regular, { category: REGULAR, offeredIn: [...EUROPE, "sin"] }),
  ...rows(costOptimized, { category: COST_OPTIMIZED, offeredIn: EUROPE }),
];

/** Listed no more, and still answered by id: states and servers of long ago name them. */
const retiredTypes = rows(retired, { category: COST_OPTIMIZED, offeredIn: EUROPE, deprecation: CX11_GENERATION });

const all = [...serverTypes, ...retiredTypes];
const byName = new Map(all.map((type) => [type.name, type]));

/** By name or, as the API takes both, by id written out; retired ones too. */
export function serverTypeByName(nameOrId: string): ServerType | undefined {
  return byName.get(nameOrId) ?? all.find((type) => String(type.id) === nameOrId);
}

function upper(name: string): string {
  return name.toUpperCase();
}

type Common = Partial<ServerType> &
  Pick<ServerType, "category" | "offeredIn"> & { describe?: (name: string) => string };

function rows(list: Row[], { describe = upper, ...common }: Common): ServerType[] {
  return list.map(([id, name, cores, memory, disk, monthlyNet]) => ({
    id,
    name,
    description: describe(name),
    cores,
    memory,
    disk,
    monthlyNet,
    cpu_type: "shared",
    architecture: "x86",
    deprecation: null,
    ...common,
  }));
}
