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
  /** Where it can be ordered. */
  offeredIn: readonly string[];
  deprecation: { announced: string; unavailable_after: string } | null;
}

const EUROPE = ["fsn1", "nbg1", "hel1"];
const EVERYWHERE = locations.map((location) => location.name);
const OVERSEAS = ["ash", "hil", "sin"];
// The cx22 generation: deprecated 2025-10-16, ordering ended at the turn of the year.
const CX22_GENERATION = { announced: "2025-10-16T06:00:00+00:00", unavailable_after: "2026-01-01T00:00:00+00:00" };

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

export const serverTypes: readonly ServerType[] = [
  ...rows(regularOld, { category: "Regular Performance", offeredIn: OVERSEAS }),
  ...rows(arm, { category: "Cost-Optimized", architecture: "arm", offeredIn: EUROPE }),
  ...rows(dedicated, { category: "General Purpose", cpu_type: "dedicated", offeredIn: EVERYWHERE }),
  ...rows(costOptimizedOld, { category: "Cost-Optimized", offeredIn: EUROPE, deprecation: CX22_GENERATION }),
  ...rows(regular, { category: "Regular Performance", offeredIn: EUROPE }),
  ...rows(costOptimized, { category: "Cost-Optimized", offeredIn: EUROPE }),
];

const byName = new Map(serverTypes.map((type) => [type.name, type]));

/** By name or, as the API takes both, by id written out. */
export function serverTypeByName(nameOrId: string): ServerType | undefined {
  return byName.get(nameOrId) ?? serverTypes.find((type) => String(type.id) === nameOrId);
}

function rows(list: Row[], common: Partial<ServerType> & Pick<ServerType, "category" | "offeredIn">): ServerType[] {
  return list.map(([id, name, cores, memory, disk, monthlyNet]) => ({
    id,
    name,
    description: name.toUpperCase(),
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
