import { resourceTypes } from "../../base/hetzner/resource-types.ts";
import { readJournal } from "../../host/journal.ts";
import { hostLayoutOf, type Layout } from "../../project/layout.ts";
import { readState } from "../../project/state/state.ts";

/*
 * Estimated maximum number of requests per host, reserved from Hetzner's limit before it starts. About twice the number counted on
 * the emulator without faults (docs/fleet.md), to allow for retries and slower actions.
 */

/** Of `up` for a host that does not exist yet. */
export const requestsForCreation = 60;
const forChange = 30;
const forRefresh = 10;
const forCatalogue = 6;

export const requestsOfVerify = 10;

export function requestsOfUp(layout: Layout, host: string): number {
  const installed = readJournal(hostLayoutOf(layout, host).journal)?.state === "done";
  return installed && hasServer(layout, host) ? forChange : requestsForCreation;
}

/** A host that was never created is not refreshed: a preview only asks for the price and availability of its server. */
export function requestsOfPreview(layout: Layout, host: string): number {
  return hasServer(layout, host) ? forRefresh : forCatalogue;
}

function hasServer(layout: Layout, host: string): boolean {
  return (readState(layout, host).value?.resources ?? []).some(({ type }) => type === resourceTypes.server);
}
