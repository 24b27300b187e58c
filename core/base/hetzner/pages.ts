import type { Hetzner } from "./client.ts";
import { answerOf } from "./client.ts";

/** Hetzner's maximum. */
const perPage = 50;

/** Every firewall of the project, or those that match a label selector, from all pages. */
export async function allFirewalls(hetzner: Hetzner, what: string, selector?: string) {
  return eachPage(async (page) => {
    const query = { page, per_page: perPage, ...(selector !== undefined && { label_selector: selector }) };
    const { firewalls, meta } = await answerOf(what, hetzner.GET("/firewalls", { params: { query } }));
    return { items: firewalls, meta };
  });
}

export async function allServers(hetzner: Hetzner, what: string, selector: string) {
  return eachPage(async (page) => {
    const query = { page, per_page: perPage, label_selector: selector };
    const { servers, meta } = await answerOf(what, hetzner.GET("/servers", { params: { query } }));
    return { items: servers, meta };
  });
}

export async function allSshKeys(hetzner: Hetzner, what: string, selector: string) {
  return eachPage(async (page) => {
    const query = { page, per_page: perPage, label_selector: selector };
    const { ssh_keys, meta } = await answerOf(what, hetzner.GET("/ssh_keys", { params: { query } }));
    return { items: ssh_keys, meta };
  });
}

/** Every snapshot of the project that matches a label selector, whatever its status. Backups are left out. */
export async function allSnapshots(hetzner: Hetzner, what: string, selector: string) {
  return eachPage(async (page) => {
    const query = { page, per_page: perPage, type: ["snapshot" as const], label_selector: selector };
    const { images, meta } = await answerOf(what, hetzner.GET("/images", { params: { query } }));
    return { items: images, meta };
  });
}

/** Every server type that Hetzner sells, with its locations. */
export async function allServerTypes(hetzner: Hetzner) {
  return eachPage(async (page) => {
    const query = { page, per_page: perPage };
    const answer = await answerOf("list the server types", hetzner.GET("/server_types", { params: { query } }));
    return { items: answer.server_types, meta: answer.meta };
  });
}

interface Page<T> {
  items: T[];
  meta?: { pagination?: { next_page?: number | null } } | undefined;
}

async function eachPage<T>(ask: (page: number) => Promise<Page<T>>): Promise<T[]> {
  const all: T[] = [];
  for (let page: number | null = 1; page !== null; ) {
    const { items, meta }: Page<T> = await ask(page);
    all.push(...items);
    page = meta?.pagination?.next_page ?? null;
  }
  return all;
}
