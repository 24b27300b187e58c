import type { ServerFacts } from "./server-facts.ts";

export interface Finding {
  what: string;
  ok: boolean;
  /** What was found, and where it is wrong what to do. */
  found: string;
}

export interface Expected {
  host: string;
  /** Of this machine's journal; undefined where it has none. */
  installId: string | undefined;
  /** Names of secrets that are to be there in the clear, and those that are not. */
  missingSecrets: readonly string[];
}

/** Whether a running host is as it should be, from what it says of itself. Whether it is closed says `clawdlets verify`. */
export function auditFindings(facts: ServerFacts, { host, installId, missingSecrets }: Expected): Finding[] {
  const { systemPath, nextSystem, failed, bots, activation } = facts;
  const notActive = Object.entries(bots).filter(([, state]) => state !== "active");
  const isOver = activation === null || activation.phase === "done";
  return [
    {
      what: "system",
      ok: systemPath === nextSystem,
      found:
        systemPath === nextSystem
          ? `runs ${systemPath}, which a boot would take too`
          : `runs ${systemPath}, and a boot would take ${nextSystem}: clawdlets rebuild --host ${host}`,
    },
    {
      what: "installation",
      ok: installId === undefined || facts.installId === installId,
      found:
        installId === undefined || facts.installId === installId
          ? `is ${facts.installId}`
          : `is ${facts.installId}, and was ${installId} when this machine installed it`,
    },
    {
      what: "activation",
      ok: isOver,
      found: isOver ? "none is under way" : `${activation.id} is ${activation.phase}; it ends by itself`,
    },
    {
      what: "units",
      ok: failed.length === 0,
      found: failed.length === 0 ? "none has failed" : `failed: ${failed.join(", ")}`,
    },
    {
      what: "bots",
      ok: notActive.length === 0,
      found:
        notActive.length === 0
          ? `${Object.keys(bots).length} run`
          : `${notActive.map(([bot, state]) => `${bot} is ${state}`).join(", ")}: clawdlets server logs --host ${host} --unit clawdbot-${notActive[0]?.[0]}`,
    },
    {
      what: "secrets",
      ok: missingSecrets.length === 0,
      found:
        missingSecrets.length === 0
          ? "all are decrypted"
          : `not decrypted: ${missingSecrets.join(", ")}: clawdlets secrets sync --host ${host}`,
    },
  ];
}
