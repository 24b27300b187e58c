import "./internal/requirements.ts";
import "./internal/plain-errors.ts";
import "./internal/source-positions.ts";

export { AgeKey, type AgeKeyArgs } from "./age-key.ts";
export { type BootstrapKeysArgs, bootstrapUserData } from "./bootstrap-user-data.ts";
export {
  HetznerServer,
  type HetznerServerArgs,
  type Resize,
  type ResizeGuard,
  type TransformServer,
} from "./hetzner-server.ts";
export { Host, type HostArgs, type HostSettings, type Placement } from "./host.ts";
export { type DeclaredRule, HostFirewall, type HostFirewallArgs, type HostFirewallRule } from "./host-firewall.ts";
export { type GroupMember, HostGroup, type HostGroupArgs } from "./host-group.ts";
export { type GroupSettings, type LoadGroupOptions, loadGroup } from "./load-group.ts";
export { type LoadHostOptions, loadHost } from "./load-host.ts";
export { Lockdown, type LockdownArgs } from "./lockdown.ts";
export { NixosConfiguration, type NixosConfigurationArgs } from "./nixos-configuration.ts";
export { NixosInstall, type NixosInstallArgs } from "./nixos-install.ts";
