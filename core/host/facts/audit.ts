import type { ServerFacts } from "./server-facts.ts";

export interface Finding {
  what: string;
  ok: boolean;
  /** What was found and, if it is wrong, what to do about it. */
  found: string;
}

export interface Expected {
  host: string;
  /** From this machine's journal; undefined if it has none. */
  installId: string | undefined;
  /** Names of secrets that should be decrypted on the host and are not. */
  missingSecrets: readonly string[];
}

/** Compares what a running host reports with what is expected. `clawdlets verify` checks that its ports are closed. */
export function auditFindings(facts: ServerFacts, { host, installId, missingSecrets }: Expected): Finding[] {
  const { systemPath, nextSystem, failed, bots, activation, tailnet, rekey } = facts;
  const notActive = Object.entries(bots).filter(([, state]) => state !== "active");
  const isOver = activation === null || activation.phase === "done";
  return [
    {
      what: "system",
      ok: systemPath === nextSystem,
      found:
        systemPath === nextSystem
          ? `runs ${systemPath}, and would also boot it`
          : `runs ${systemPath}, but would boot ${nextSystem}: clawdlets rebuild --host ${host}`,
    },
    {
      what: "installation",
      ok: installId === undefined || facts.installId === installId,
      found:
        installId === undefined || facts.installId === installId
          ? `is ${facts.installId}`
          : `is ${facts.installId}, but this machine installed ${installId}`,
    },
    {
      what: "activation",
      ok: isOver,
      found: isOver ? "none in progress" : `${activation.id} is ${activation.phase}; it ends on its own`,
    },
    {
      what: "units",
      ok: failed.length === 0,
      found: failed.length === 0 ? "none failed" : `failed: ${failed.join(", ")}`,
    },
    // A host that was joined by hand, or has no tailnet, says nothing.
    ...(tailnet === ""
      ? []
      : [
          {
            what: "tailnet",
            ok: tailnet === "joined" && rekey === null,
            found:
              rekey ??
              (tailnet === "joined" ? tailnet : `${tailnet}: clawdlets secrets edit tailscale_auth_key --host ${host}`),
          },
        ]),
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
