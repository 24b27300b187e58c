import type { Layout } from "../../project/layout.ts";

/** A line that looks like a secret. What stands there is not said. */
export interface Leak {
  /** Relative to the project. */
  file: string;
  line: number;
  rule: string;
}

/** What the checks have at hand; given, not read, so that tests can give something else. */
export interface DoctorContext {
  layout: Layout;
  hosts: readonly string[];
  environment: Readonly<Record<string, string | undefined>>;
  /** Path of sops, where there is one. */
  sops: string | undefined;
  /** Whether the engine's servers refuse other users of this machine. Left out: not looked at. */
  refusesOthers?: boolean;
  /** Looks through what git tracks. Left out: said to be not looked at. */
  scanSecrets?: (root: string) => Promise<Leak[]>;
  signal: AbortSignal;
}
