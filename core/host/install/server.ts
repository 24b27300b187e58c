import { relative } from "node:path";
import { SettingsError } from "../../base/errors.ts";
import { waitForActions } from "../../base/hetzner/actions.ts";
import { answerOf, type Hetzner } from "../../base/hetzner/client.ts";
import { waitUntil } from "../../base/wait-until.ts";
import type { Installation } from "../request.ts";
import { readBootstrapKeys } from "./bootstrap-keys.ts";
import { bootstrapUserData } from "./user-data.ts";

/** Seconds. A rebuild copies an image to the disk, which takes about half a minute at Hetzner. */
export const rebuildSeconds = 600;
const limits = { powerOn: 120, protection: 60 };

/** Turns the server on if it is off, e.g. after a power cut or a failed rebuild. @returns true if it was off */
export async function ensureRunning(installation: Installation): Promise<boolean> {
  const { hetzner, facts, signal } = installation;
  if ((await steadyStatus(installation)) !== "off") return false;
  const path = { id: facts.serverId };
  const what = "turn the server on";
  const { action } = await answerOf(what, hetzner.POST("/servers/{id}/actions/poweron", { params: { path } }));
  await waitForActions(hetzner, [action], { what, timeoutSeconds: limits.powerOn, signal });
  return true;
}

/** Transient states, e.g. during a rebuild that a killed run started. */
const passing: readonly string[] = ["initializing", "starting", "stopping", "migrating", "rebuilding", "unknown"];

async function steadyStatus({ hetzner, facts, settings, signal }: Installation): Promise<string> {
  const path = { id: facts.serverId };
  const look = async () => {
    const { server } = await answerOf("read the server", hetzner.GET("/servers/{id}", { params: { path } }));
    const status = server?.status ?? "unknown";
    return passing.includes(status) ? undefined : status;
  };
  return waitUntil(look, {
    seconds: rebuildSeconds,
    pauseMs: 2000,
    waitedFor: `${settings.host}: Hetzner did not finish its current action on the server`,
    advice: `The server's console shows the action. Then run: clawdlets up --host ${settings.host}`,
    signal,
  });
}

/**
 * Rebuilds the server from the stack's image, with the current one-time keys. WIPES THE DISK; the server keeps its id, addresses
 * and firewalls. Lifts rebuild protection for this and always restores it.
 * @see Hetzner Cloud API, `POST /servers/{id}/actions/rebuild`, `user_data` since 2026-01-16
 */
export async function rebuildServer(installation: Installation): Promise<void> {
  const { hetzner, facts, settings, host, layout, signal } = installation;
  const keys = readBootstrapKeys(host);
  if (!keys) {
    const where = relative(layout.root, host.bootstrapClientKey);
    throw new SettingsError([
      {
        code: "key-missing",
        subject: where,
        setting: "one-time keys",
        problem: "missing.",
        fix: `Create them: clawdlets secrets init --host ${settings.host}`,
      },
    ]);
  }
  const path = { id: facts.serverId };
  const { server } = await answerOf("read the server", hetzner.GET("/servers/{id}", { params: { path } }));
  const isProtected = server?.protection.rebuild === true;
  if (isProtected) await protect(hetzner, facts.serverId, false);
  try {
    const what = "rebuild the server";
    const body = { image: settings.image, user_data: bootstrapUserData(keys) };
    const { action } = await answerOf(what, hetzner.POST("/servers/{id}/actions/rebuild", { params: { path }, body }));
    await waitForActions(hetzner, action ? [action] : [], { what, timeoutSeconds: rebuildSeconds, signal });
  } finally {
    if (isProtected) await protect(hetzner, facts.serverId, true);
  }
}

/** Hetzner requires delete and rebuild protection to be equal. Ignores Ctrl-C, so that the server is not left unprotected. */
async function protect(hetzner: Hetzner, id: number, on: boolean): Promise<void> {
  const what = on ? "protect the server again" : "lift the server's protection";
  const body = { delete: on, rebuild: on };
  const call = hetzner.POST("/servers/{id}/actions/change_protection", { params: { path: { id } }, body });
  const { action } = await answerOf(what, call);
  await waitForActions(hetzner, action ? [action] : [], { what, timeoutSeconds: limits.protection });
}
