/** The steps of an installation, in order. The journal and `seconds` in JSON output use these names. */
export const steps = [
  "check",
  "open",
  "connect",
  "rebuild",
  "kexec",
  "install",
  "image",
  "deliver",
  "reboot",
  "confirm",
  "tailnet",
  "close",
] as const;

export type Step = (typeof steps)[number];

/** Receives progress: `text` is for a person, without secrets, local paths or times. `limitSeconds`: how long this may take. */
export type Report = (step: Step, text: string, limitSeconds?: number) => void;

/** What every step of the installation gets from outside; it uses no globals except the clock. */
export interface Signals {
  /** Aborted by Ctrl-C, SIGTERM or a lost parent: stop at once, close the window, report it. */
  signal: AbortSignal;
  report: Report;
}
