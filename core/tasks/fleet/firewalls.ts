/** Of an account, over all its projects. @see docs.hetzner.com/cloud/firewalls/faq (2022) "up to 50 Firewalls total" */
export const firewallLimit = 50;

export const ofFirewalls = `Hetzner's FAQ allows an account ${firewallLimit} in all, unless its support has raised that (docs/fleet.md)`;

/** Each host has one, and a second one, its window, while it is installed. */
export const firewallsNeeded = (hosts: number, parallel: number): number => hosts + Math.min(hosts, parallel);
