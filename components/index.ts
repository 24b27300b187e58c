export { AgeKey, type AgeKeyArgs } from "./age-key.ts";
export { type BootstrapKeysArgs, HetznerServer, type HetznerServerArgs } from "./hetzner-server.ts";
export { Host, type HostArgs } from "./host.ts";
export { type DeclaredRule, HostFirewall, type HostFirewallArgs, type HostFirewallRule } from "./host-firewall.ts";
export { Lockdown, type LockdownArgs } from "./lockdown.ts";
export { NixosInstall, type NixosInstallArgs } from "./nixos-install.ts";
