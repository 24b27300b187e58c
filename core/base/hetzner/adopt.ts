import { z } from "zod";

const id = z.number().int().positive();

/** Ids at Hetzner of what is there already, to be taken into the state as it is instead of being made. */
export const adoption = z.strictObject({ server: id.optional(), firewall: id.optional(), key: id.optional() });

export type Adoption = z.infer<typeof adoption>;

/** How it reaches the program through the engine, for one run. */
export const adoptionKey = "CLAWDLETS_ADOPT";

/** @throws Error for what `clawdlets` did not write */
export function readAdoption(text: string | undefined): Adoption {
  return text === undefined ? {} : adoption.parse(JSON.parse(text));
}
