import { z } from "zod";

const id = z.number().int().positive();

/** Hetzner ids of existing resources that are imported into the state instead of being created. */
export const adoption = z.strictObject({ server: id.optional(), firewall: id.optional(), key: id.optional() });

export type Adoption = z.infer<typeof adoption>;

/** The environment variable that carries the ids through the engine to the program, for one run. */
export const adoptionKey = "CLAWDLETS_ADOPT";

/** @throws Error if `clawdlets` did not write the text */
export function readAdoption(text: string | undefined): Adoption {
  return text === undefined ? {} : adoption.parse(JSON.parse(text));
}
