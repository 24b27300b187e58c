import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { repository } from "../_repository.ts";

const file = join(repository, "test", "fixtures", "tofu", "recorded.tfstate");

/** What differs from run to run: the state's own id, and the address that a server is given of a documentation network. */
export function normalized(state: string): string {
  return state
    .replace(/("lineage": )"[0-9a-f-]{36}"/, '$1"00000000-0000-0000-0000-000000000000"')
    .replace(/2001:db8(:[0-9a-f]{1,4}){1,2}::/g, "2001:db8:1:2::");
}

/** The state that OpenTofu 1.12.6 wrote for main.tf on the emulator. */
export const recordedState = (): string => readFileSync(file, "utf8");

export const recordState = (state: string): void => writeFileSync(file, normalized(state));
