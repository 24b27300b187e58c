import type { Outcome } from "../../core/tasks/fleet/run.ts";

/** Where a person follows a run over many hosts: standard error, so that standard output stays for results. */
export interface FleetView {
  /** What concerns no single host. */
  note: (text: string) => void;
  started: (host: string) => void;
  /** The phase a host is in. */
  told: (host: string, text: string) => void;
  ended: (outcome: Outcome<unknown>) => void;
  /** Nothing more comes; what is on a terminal may be left as it is or taken away. */
  close: () => void;
}

export const secondsText = (seconds: number): string => `${seconds.toFixed(1)} s`;

/** The word of each state in a column, and the widest. */
export const stateWords = {
  ok: "ok",
  failed: "FAILED",
  stopped: "STOPPED",
  "not started": "left",
} as const;
