import { chmodSync, existsSync, writeFileSync } from "node:fs";
import { isIPv6 } from "node:net";
import { join } from "node:path";
import { cleanEnvironment, searchPath } from "../../base/machine/environment.ts";
import { run } from "../../base/machine/run.ts";
import { shellQuoted } from "../../base/wording.ts";

/** An authenticated connection to one host: the host key to require and the client key to use. */
export interface SshRoute {
  /** IP address to connect to. */
  address: string;
  port: number;
  user: string;
  /** Name of the host's key in `knownHosts`. */
  alias: string;
  knownHosts: string;
  /** Private key file, or a .pub file whose private half is in an agent. */
  identity: string;
  /** Command that connects to `%h` and `%p` for ssh, instead of a socket. The host key is checked all the same. */
  proxyCommand?: string;
  /** Agent socket, for operators whose keys are in an agent. Never used for bootstrap keys. */
  agent?: string;
}

/**
 * Options that make ssh connect to exactly this host or fail. The operator's own ssh configuration is ignored.
 * ssh keeps the first value of each option (ssh_config(5)), so these go first.
 */
export function strictOptions(
  route: Pick<SshRoute, "alias" | "knownHosts" | "port" | "agent" | "proxyCommand">,
): string[] {
  const options = {
    StrictHostKeyChecking: "yes",
    UserKnownHostsFile: `"${route.knownHosts}"`,
    GlobalKnownHostsFile: "/dev/null",
    HostKeyAlgorithms: "ssh-ed25519",
    HostKeyAlias: route.alias,
    CheckHostIP: "no",
    UpdateHostKeys: "no",
    IdentitiesOnly: "yes",
    IdentityAgent: route.agent === undefined ? "none" : `"${route.agent}"`,
    PreferredAuthentications: "publickey",
    PasswordAuthentication: "no",
    BatchMode: "yes",
    ForwardAgent: "no",
    Port: String(route.port),
    ServerAliveInterval: "15",
    ServerAliveCountMax: "4",
    ...(route.proxyCommand !== undefined && { ProxyCommand: route.proxyCommand }),
  };
  return ["-F", "/dev/null", ...Object.entries(options).flatMap(([key, value]) => ["-o", `${key}=${value}`])];
}

/** `203.0.113.7:22`, or `[2001:db8::1]:22`, as a person reads it. */
export const withPort = (address: string, port: number): string =>
  `${isIPv6(address) ? `[${address}]` : address}:${port}`;

export interface SshResult {
  exitCode: number;
  stdout: string;
  stderr: string;
}

/** Runs one command on a host. Exit code 255 is ssh's own failure: no connection, wrong host key, no login. */
export async function ssh(
  route: SshRoute,
  command: string,
  { timeoutSeconds, signal, input }: { timeoutSeconds: number; signal?: AbortSignal; input?: Buffer },
): Promise<SshResult> {
  const args = [...strictOptions(route), "-o", `ConnectTimeout=${Math.min(timeoutSeconds, 10)}`, "-i", route.identity];
  const result = await run("ssh", [...args, `${route.user}@${route.address}`, command], {
    timeoutSeconds,
    ...(route.agent !== undefined && { env: cleanEnvironment({ SSH_AUTH_SOCK: route.agent }) }),
    ...(signal && { signal }),
    ...(input && { input }),
  });
  return { exitCode: result.exitCode ?? 255, stdout: result.stdout, stderr: result.stderr };
}

/** True if ssh ended because the machine has another host key than the pinned one, which only its words tell from a machine that is silent. */
export const hasOtherKey = (stderr: string): boolean =>
  /Host key verification failed|no matching host key type found/.test(stderr);

/**
 * Writes `ssh` and `scp` wrappers, to go first on PATH, that apply {@link strictOptions} whatever arguments they get.
 * nixos-anywhere always passes `UserKnownHostsFile=/dev/null StrictHostKeyChecking=no` before its caller's options, so
 * no argument can make it check a host key.
 * @param folder private, with no spaces in its path: nixos-anywhere joins options with spaces
 */
export function writeSshWrappers(
  folder: string,
  route: Pick<SshRoute, "address" | "alias" | "knownHosts" | "port">,
): void {
  writeWrappers(folder, [...strictOptions(route), ...hostNameOf(route)]);
}

/**
 * What nixos-anywhere calls the host. An IPv6 address is left to the wrappers: one text is used for ssh, which takes no brackets, and in
 * URLs for nix (`ssh://root@…`), where RFC 3986 requires them.
 */
export const destinationOf = ({ address, alias }: Pick<SshRoute, "address" | "alias">): string =>
  isIPv6(address) ? alias : address;

const hostNameOf = ({ address }: Pick<SshRoute, "address">): string[] =>
  isIPv6(address) ? ["-o", `HostName=${address}`] : [];

/** The same for a program that cannot be told user, address and key: whatever host it names, this route is used. */
export function writeRouteWrappers(folder: string, route: SshRoute): void {
  const own = ["-o", `HostName=${route.address}`, "-o", `User=${route.user}`, "-i", route.identity];
  writeWrappers(folder, [...strictOptions(route), ...own, "-o", "ConnectTimeout=10"]);
}

function writeWrappers(folder: string, words: readonly string[]): void {
  for (const program of ["ssh", "scp"]) {
    const file = join(folder, program);
    const options = words.map(shellQuoted);
    writeFileSync(file, `#!/bin/sh\nexec ${realPathOf(program)} ${options.join(" ")} "$@"\n`, { mode: 0o700 });
    chmodSync(file, 0o700);
  }
}

function realPathOf(program: string): string {
  const folders = searchPath();
  return folders.map((folder) => join(folder, program)).find((path) => existsSync(path)) ?? `/usr/bin/${program}`;
}
