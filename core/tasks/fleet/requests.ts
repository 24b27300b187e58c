import { readJournal } from "../../host/journal.ts";
import { hostLayoutOf, type Layout } from "../../project/layout.ts";
import { readState } from "../../project/state/state.ts";

/*
 * The most requests a host is taken to need, which is reserved of Hetzner's limit before it begins. Each is about twice what was
 * counted on the emulator without a fault (docs/fleet.md), for retries and for actions that take longer than there.
 */

const forCreation = 60;
const forChange = 30;
const forRefresh = 10;
const forCatalogue = 6;

export const requestsOfVerify = 10;

export function requestsOfUp(layout: Layout, host: string): number {
  const installed = readJournal(hostLayoutOf(layout, host).journal)?.state === "done";
  return installed && hasServer(layout, host) ? forChange : forCreation;
}

/** A host that was never created is not refreshed; asked is only whether its server can be had, and its price. */
export function requestsOfPreview(layout: Layout, host: string): number {
  return hasServer(layout, host) ? forRefresh : forCatalogue;
}

function hasServer(layout: Layout, host: string): boolean {
  return (readState(layout, host).value?.resources ?? []).some(({ type }) => type === "hcloud:index/server:Server");
}
