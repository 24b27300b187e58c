import type { Activation } from "../../core/host/activation/activate.ts";
import { type Progress, showStep } from "../../engine/progress/progress.ts";

/** A change of a running host as progress: each thing it reports is a step, which ends the last. */
export function reportTo(progress: Progress, host: string, title = `changing ${host}`): Activation["report"] {
  const change = { id: host, state: "running", title } as const;
  showStep(progress, change);
  let count = 0;
  return (text, limitSeconds) => {
    showStep(progress, {
      id: `${host}/${++count}`,
      parent: host,
      state: "running",
      title: text,
      line: `${host}: ${text}`,
      ...(limitSeconds !== undefined && { limitSeconds }),
    });
  };
}
