// What the emulated project holds, in the form that is kept in state.json. The API's own shapes are made from it in api/.

export type Labels = Record<string, string>;

/** The kinds that have ids of their own. The names are the API's resource types. */
export type Kind =
  | "server"
  | "firewall"
  | "ssh_key"
  | "primary_ip"
  | "placement_group"
  | "network"
  | "volume"
  | "image"
  | "action";

export interface Failure {
  code: string;
  message: string;
}

export interface ActionRecord {
  id: number;
  command: string;
  status: "running" | "success" | "error";
  started: string;
  finished: string | null;
  durationMs: number;
  resources: { id: number; type: string }[];
  error: Failure | null;
  /** What happens to the cloud when it ends well. Data and not a function, so that a restarted emulator can finish it. */
  effect: Effect | null;
  /** Set by fault injection: how it will end instead. */
  willFail: Failure | null;
}

export type Effect =
  | { do: "server.created"; server: number }
  | { do: "server.power"; server: number; to: "running" | "off"; boot: boolean }
  | { do: "server.rebuilt"; server: number; image: number; userData: string | null }
  | { do: "server.type"; server: number; serverType: string; upgradeDisk: boolean }
  | { do: "server.backup"; server: number; window: string | null }
  | { do: "server.rescue"; server: number; enabled: boolean }
  | { do: "server.iso"; server: number; iso: number | null }
  | { do: "server.protection"; server: number; delete: boolean; rebuild: boolean }
  | { do: "server.placement"; server: number; group: number | null }
  | { do: "server.attach"; server: number; network: number; ip: string; aliasIps: string[] }
  | { do: "server.detach"; server: number; network: number }
  | { do: "server.aliases"; server: number; network: number; aliasIps: string[] }
  | { do: "firewall.rules"; firewall: number }
  | { do: "firewall.apply"; firewall: number; servers: number[] }
  | { do: "firewall.remove"; firewall: number; targets: FirewallTarget[] }
  | { do: "primary_ip.assign"; primaryIp: number; server: number | null }
  | { do: "volume.attach"; volume: number; server: number | null }
  | { do: "volume.resize"; volume: number; size: number }
  | { do: "volume.ready"; volume: number }
  | { do: "image.ready"; image: number };

export interface PrivateNet {
  network: number;
  ip: string;
  aliasIps: string[];
  mac: string;
}

/** The machine behind a server, as far as it outlives the process. Disks are folders beside state.json. */
export interface MachineRecord {
  powered: boolean;
  /** What runs now. */
  os: "debian" | "installer" | "nixos";
  /** What the disk would boot. `empty` after disko and before nixos-install has ended: such a machine stays silent. */
  disk: "debian" | "nixos" | "empty";
  mounted: boolean;
  bootId: string;
  installRuns: number;
  diskWipes: number;
  connectionsAccepted: number;
  connectionsRefused: number;
}

export interface ServerRecord {
  id: number;
  name: string;
  status: "initializing" | "starting" | "running" | "stopping" | "off" | "rebuilding" | "migrating";
  created: string;
  serverType: string;
  image: number | null;
  location: string;
  labels: Labels;
  protection: { delete: boolean; rebuild: boolean };
  backupWindow: string | null;
  rescueEnabled: boolean;
  iso: number | null;
  placementGroup: number | null;
  privateNet: PrivateNet[];
  ipv4: number | null;
  ipv6: number | null;
  primaryDiskSize: number;
  userData: string | null;
  /** OpenSSH public keys given at creation. */
  authorizedKeys: string[];
  machine: MachineRecord;
}

export interface FirewallRule {
  direction: "in" | "out";
  protocol: "tcp" | "udp" | "icmp" | "esp" | "gre";
  port: string | null;
  source_ips: string[];
  destination_ips: string[];
  description: string | null;
}

export type FirewallTarget = { type: "server"; server: number } | { type: "label_selector"; selector: string };

export interface FirewallBinding {
  server: number;
  status: "pending" | "applied";
  /** Whether it filters. Stays true while new rules are pending: until they are applied, the old ones hold. */
  enforced: boolean;
}

export interface FirewallRecord {
  id: number;
  name: string;
  labels: Labels;
  created: string;
  /** As the API shows them. */
  rules: FirewallRule[];
  /** As the network enforces them: the same, once the action that sets them has ended. */
  activeRules: FirewallRule[];
  targets: FirewallTarget[];
  /** One entry a server that a target matches. */
  bindings: FirewallBinding[];
  /** Milliseconds since the epoch until which deleting still answers `resource_in_use`. */
  inUseUntil: number;
}

export interface SshKeyRecord {
  id: number;
  name: string;
  labels: Labels;
  created: string;
  publicKey: string;
  fingerprint: string;
}

export interface PrimaryIpRecord {
  id: number;
  name: string;
  labels: Labels;
  created: string;
  type: "ipv4" | "ipv6";
  /** The address; for IPv6 the /64's network address with its prefix. */
  ip: string;
  location: string;
  assignee: number | null;
  autoDelete: boolean;
  protection: { delete: boolean };
  dnsPtr: { ip: string; dns_ptr: string }[];
}

export interface PlacementGroupRecord {
  id: number;
  name: string;
  labels: Labels;
  created: string;
  type: "spread";
}

export interface NetworkRecord {
  id: number;
  name: string;
  labels: Labels;
  created: string;
  ipRange: string;
  subnets: {
    type: "cloud" | "server" | "vswitch";
    ip_range: string;
    network_zone: string;
    vswitch_id: number | null;
  }[];
  routes: { destination: string; gateway: string }[];
  protection: { delete: boolean };
  exposeRoutesToVswitch: boolean;
}

export interface VolumeRecord {
  id: number;
  name: string;
  labels: Labels;
  created: string;
  size: number;
  server: number | null;
  location: string;
  format: string | null;
  status: "creating" | "available";
  protection: { delete: boolean };
}

/** A snapshot or backup made of a server. The images that everybody has are in catalog/. */
export interface OwnImageRecord {
  id: number;
  labels: Labels;
  created: string;
  type: "snapshot" | "backup";
  description: string;
  server: { id: number; name: string };
  osFlavor: string;
  osVersion: string | null;
  architecture: "x86" | "arm";
  diskSize: number;
  status: "creating" | "available";
  protection: { delete: boolean };
  /** What a server created from it boots: what the original disk booted. @default `debian`, in older states */
  disk?: MachineRecord["disk"];
}

export interface StoredState {
  version: 1;
  token: string;
  port: number;
  sshPort: number;
  nextId: Record<Kind, number>;
  servers: ServerRecord[];
  firewalls: FirewallRecord[];
  sshKeys: SshKeyRecord[];
  primaryIps: PrimaryIpRecord[];
  placementGroups: PlacementGroupRecord[];
  networks: NetworkRecord[];
  volumes: VolumeRecord[];
  images: OwnImageRecord[];
  actions: ActionRecord[];
}
