/** Of an account unless support has raised it. @see docs.hetzner.com/cloud/firewalls/faq (2022) "up to 50 Firewalls total" */
export const firewallLimit = 50;

export const ofFirewalls = `Hetzner allows ${firewallLimit} in all unless its support has raised the limit of the account (docs/fleet.md)`;

/** Each host has one, and a second one, its window, while it is installed. */
export const firewallsNeeded = (hosts: number, parallel: number): number => hosts + Math.min(hosts, parallel);
