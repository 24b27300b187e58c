import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { z } from "zod";
import { UserError } from "../../base/errors.ts";
import { searchPath } from "../../base/machine/environment.ts";
import { parseJson } from "../../base/text/json.ts";
import type { SystemKey } from "../../project/secrets/keys/system-key.ts";
import type { InstallSettings } from "../../project/settings/stack-config/install.ts";
import { type SshRoute, ssh, writeRouteWrappers } from "../reach/ssh.ts";
import { hostCopyFailure } from "./failures.ts";
import { lastLines, type NixRun, nix } from "./nix.ts";
import { copyProblem, sourceProblem } from "./space.ts";

/** Seconds. */
const limits = { build: 3600, sign: 600, copy: 3600 };

const built = z.array(
  z.object({ outputs: z.object({ out: z.string().regex(/^\/nix\/store\/[0-9a-z]{32}-[\w.+?=-]+$/) }) }),
);

/** Builds a host's system on this machine. @param flake pinned, with attribute @returns its store path */
export async function buildSystem(
  request: NixRun & { install: Pick<InstallSettings, "substituters" | "trustedPublicKeys"> },
  flake: string,
): Promise<string> {
  const [uri = "", attribute = ""] = flake.split("#");
  const { substituters, trustedPublicKeys } = request.install;
  const caches = [
    ...(substituters.length > 0 ? ["--option", "extra-substituters", substituters.join(" ")] : []),
    ...(trustedPublicKeys.length > 0 ? ["--option", "extra-trusted-public-keys", trustedPublicKeys.join(" ")] : []),
  ];
  const wanted = `${uri}#nixosConfigurations."${attribute}".config.system.build.toplevel`;
  const stdout = await nix(request, ["build", "--no-link", "--json", "--no-write-lock-file", ...caches, wanted], {
    timeoutSeconds: limits.build,
    explain: lastLines("the build on this machine failed", `See all of nix's messages: nix build '${wanted}'`),
    fetches: true,
  });
  const [first] = built.safeParse(parseJson(stdout)).data ?? [];
  if (first) return first.outputs.out;
  throw new UserError({
    subject: request.host,
    problem: `nix built ${flake}, but named no store path. Nothing was changed.`,
  });
}

/** Signs a system and everything that it needs, in this machine's store. */
export async function signSystem(request: NixRun, key: SystemKey, system: string): Promise<void> {
  await nix(request, ["store", "sign", "--recursive", "--key-file", key.file, system], {
    timeoutSeconds: limits.sign,
    explain: lastLines(
      `${system} could not be signed`,
      "Does the nix daemon of this machine trust you (trusted-users)?",
    ),
  });
}

/** What the host runs as root for `nix copy`: nix/host/receive-system.sh. */
const receiver = "sudo -n /run/current-system/sw/bin/clawdlets-receive-system";

/**
 * Copies a system to a host that has its signer's key. A copy that is cut leaves paths that the host deletes at its next garbage
 * collection; the next copy continues after them.
 */
export async function copySystem(request: NixRun, route: SshRoute, system: string): Promise<void> {
  await copy(request, route, { name: system, paths: [system], problemOf: copyProblem });
}

/** Copies sources to a host that builds. Their paths follow from their content, so they need no signature. */
export async function copySources(request: NixRun, route: SshRoute, sources: readonly string[]): Promise<void> {
  await copy(request, route, { name: "the source", paths: sources, problemOf: sourceProblem });
}

interface Cargo {
  /** For messages. */
  name: string;
  /** Store paths; what they need is copied too. */
  paths: readonly string[];
  /** Why so many bytes do not fit. */
  problemOf: typeof copyProblem;
}

async function copy(request: NixRun, route: SshRoute, cargo: Cargo): Promise<void> {
  const { host, signal } = request;
  await checkSpace(request, route, cargo);
  const folder = mkdtempSync(join(/\s/.test(tmpdir()) ? "/tmp" : tmpdir(), "clawdlets-copy-"));
  try {
    // nix runs the first ssh on PATH. "host" stands for the route, which only our wrapper knows.
    writeRouteWrappers(folder, route);
    const path = [folder, ...searchPath()].join(delimiter);
    const to = `ssh-ng://host?remote-program=${encodeURIComponent(receiver)}`;
    await nix(request, ["copy", "--substitute-on-destination", "--to", to, ...cargo.paths], {
      timeoutSeconds: limits.copy,
      explain: (failed) => hostCopyFailure(host, cargo.name, failed),
      env: { PATH: path, ...(route.agent !== undefined && { SSH_AUTH_SOCK: route.agent }) },
    });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  signal.throwIfAborted();
}

/** Nix's newer versions print an object by path. */
const paths = z.union([
  z.array(z.object({ path: z.string(), narSize: z.number() })),
  z
    .record(z.string(), z.object({ narSize: z.number() }))
    .transform((all) => Object.entries(all).map(([path, { narSize }]) => ({ path, narSize }))),
]);

/** Refuses what does not fit next to what the host has. */
async function checkSpace(request: NixRun, route: SshRoute, { name, ...cargo }: Cargo): Promise<void> {
  const { host, signal } = request;
  const stdout = await nix(request, ["path-info", "--recursive", "--json", ...cargo.paths], {
    timeoutSeconds: limits.sign,
    explain: lastLines(`the size of ${name} could not be read`, "Run the same command again."),
  });
  const needed = paths.parse(parseJson(stdout));
  const input = Buffer.from(needed.map(({ path }) => `${path}\n`).join(""));
  const ask = `df --block-size=1 --output=avail /nix/store | tail -n 1; while read -r path; do [ -e "$path" ] || echo "$path"; done`;
  const seen = await ssh(route, ask, { timeoutSeconds: 120, signal, input });
  const [free = "", ...missing] = seen.stdout.split("\n").map((line) => line.trim());
  if (seen.exitCode !== 0 || !/^[0-9]+$/.test(free)) {
    throw new UserError({ subject: host, problem: "its free disk space could not be read. Nothing was changed." });
  }
  const wanted = new Set(missing);
  const bytes = needed.filter(({ path }) => wanted.has(path)).reduce((sum, { narSize }) => sum + narSize, 0);
  const problem = cargo.problemOf(bytes, Number(free));
  if (problem) throw new UserError({ subject: host, ...problem });
}
