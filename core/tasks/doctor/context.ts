import type { Environment } from "../../base/machine/environment.ts";
import type { Layout } from "../../project/layout.ts";

/** A line that looks like a secret, without its text. */
export interface Leak {
  /** Relative to the project. */
  file: string;
  line: number;
  rule: string;
}

/** Inputs of the checks, passed in so that tests can replace them. */
export interface DoctorContext {
  layout: Layout;
  hosts: readonly string[];
  environment: Environment;
  /** Path of sops, if installed. */
  sops: string | undefined;
  /** True if the engine's servers refuse other users of this machine. Omitted: not checked. */
  refusesOthers?: boolean;
  /** Scans the files that git tracks. Omitted: reported as not checked. */
  scanSecrets?: (root: string) => Promise<Leak[]>;
  signal: AbortSignal;
}
