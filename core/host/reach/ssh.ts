import { chmodSync, existsSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { cleanEnvironment } from "../../base/machine/environment.ts";
import { run } from "../../base/machine/run.ts";
import { shellQuoted } from "../../base/wording.ts";

/** One authenticated way to one host: which key it must show, which key we show. */
export interface SshRoute {
  /** IP address to connect to. */
  address: string;
  port: number;
  user: string;
  /** Name the host's key stands under in `knownHosts`. */
  alias: string;
  knownHosts: string;
  /** Private key file, or a .pub whose private half an agent holds. */
  identity: string;
  /** Agent to ask, for operators whose keys live in one. Never for bootstrap keys. */
  agent?: string;
}

/**
 * Options under which ssh connects to this host or not at all. None of the operator's own ssh configuration joins in.
 * ssh keeps the first value it sees of each option (ssh_config(5)), so these go first.
 */
export function strictOptions(route: Pick<SshRoute, "alias" | "knownHosts" | "port" | "agent">): string[] {
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
  };
  return ["-F", "/dev/null", ...Object.entries(options).flatMap(([key, value]) => ["-o", `${key}=${value}`])];
}

export interface SshResult {
  exitCode: number;
  stdout: string;
  stderr: string;
}

/** Runs one command on a host. 255 is ssh's own failure: no connection, another key, no login. */
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

/**
 * Makes an `ssh` and an `scp` that connect under {@link strictOptions} whatever else they are told, to be put first on PATH.
 * nixos-anywhere always passes `UserKnownHostsFile=/dev/null StrictHostKeyChecking=no` before its caller's options, so
 * nothing on its command line can make it check a host key.
 * @param folder a private one whose path has no spaces: nixos-anywhere joins options by spaces
 */
export function writeSshWrappers(folder: string, route: Pick<SshRoute, "alias" | "knownHosts" | "port">): void {
  for (const program of ["ssh", "scp"]) {
    const file = join(folder, program);
    const options = strictOptions(route).map(shellQuoted);
    writeFileSync(file, `#!/bin/sh\nexec ${realPathOf(program)} ${options.join(" ")} "$@"\n`, { mode: 0o700 });
    chmodSync(file, 0o700);
  }
}

function realPathOf(program: string): string {
  const folders = (process.env["PATH"] ?? "").split(delimiter);
  return folders.map((folder) => join(folder, program)).find((path) => existsSync(path)) ?? `/usr/bin/${program}`;
}
