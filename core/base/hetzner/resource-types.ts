/** Type tokens of the engine's resources that we decide by, `package:module:Type`, as the state and the policy name them. */
export const resourceTypes = {
  server: "hcloud:index/server:Server",
  firewall: "hcloud:index/firewall:Firewall",
  sshKey: "hcloud:index/sshKey:SshKey",
  volume: "hcloud:index/volume:Volume",
  primaryIp: "hcloud:index/primaryIp:PrimaryIp",
  /** Keeps what was drawn from a list. */
  shuffle: "random:index/randomShuffle:RandomShuffle",
  localCommand: "command:local:Command",
  remoteCommand: "command:remote:Command",
} as const;

const kindOf = (type: string): string => /^hcloud:index\/(\w+):/.exec(type)?.[1] ?? "";

const labelled = new Set(
  "server firewall sshKey volume network primaryIp floatingIp loadBalancer placementGroup snapshot".split(" "),
);
/** True for what carries labels at Hetzner and can outlive the state. */
export const carriesLabels = (type: string): boolean => labelled.has(kindOf(type));

const kept = new Set("server volume primaryIp floatingIp snapshot firewall network storageBox".split(" "));
/** True for what takes data, an address or a server's protection with it when it is deleted. */
export const losesSomething = (type: string): boolean => kept.has(kindOf(type));
