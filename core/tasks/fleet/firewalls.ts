/** Firewalls of one account in all its projects. @see docs.hetzner.com/cloud/firewalls/faq (2022) "up to 50 Firewalls total" */
export const firewallLimit = 50;

export const firewallLimitNote = `Hetzner's FAQ allows ${firewallLimit} per account, unless support has raised the limit (docs/fleet.md)`;

/** Each host has one, and during its installation a second one, its window. */
export const firewallsNeeded = (hosts: number, parallel: number): number => hosts + Math.min(hosts, parallel);
