/** The steps of an installation, in order. Names of the journal and of `seconds` in machine-readable output. */
export const steps = [
  "check",
  "open",
  "connect",
  "rebuild",
  "kexec",
  "install",
  "reboot",
  "confirm",
  "tailnet",
  "close",
] as const;

export type Step = (typeof steps)[number];

/** Told as it happens: `text` is a sentence for a person, without secrets, paths of this machine or times. */
export type Report = (step: Step, text: string) => void;

/** Everything a step of the installation needs from outside; no globals, clock aside. */
export interface Signals {
  /** Aborted by Ctrl-C, SIGTERM or a lost parent: stop at once, close the window, say so. */
  signal: AbortSignal;
  report: Report;
}
