import { UserError } from "../../base/errors.ts";
import { exitCodes } from "../../base/exit-codes.ts";
import type { Layout } from "../../project/layout.ts";
import type { HostSettings, LocalSettings, WantedRevision } from "../../project/settings/host.ts";
import { resolveFlake } from "./flake.ts";

type Halves = { settings: HostSettings; local: LocalSettings };

/**
 * Looks up the commits of many hosts, each flake once: a branch that moves while the hosts are gone through would give the
 * ones after the canary something that no canary has shown to be good.
 * @returns the flake of one host, pinned to a commit @throws UserError as {@link resolveFlake}
 */
export function commitsOnce(layout: Layout, wanted: WantedRevision) {
  const found = new Map<string, Promise<string>>();
  return async ({ settings, local }: Halves): Promise<string> => {
    const named = settings.flake ?? local.flake ?? "";
    const before = found.get(named);
    if (!before) {
      const asked = resolveFlake(layout, settings, local, wanted);
      found.set(named, asked);
      return asked;
    }
    // What failed for one host, e.g. for its file that is not committed, is asked again for the next.
    const rev = revisionOf(await before.catch(() => ""));
    return resolveFlake(layout, settings, local, rev === undefined ? wanted : { rev });
  };
}

/** The commit that a flake's URI names, 40 hex digits; undefined for one that names none. */
export function revisionOf(flake: string): string | undefined {
  return (
    /[?&]rev=([0-9a-f]{40})(?![0-9a-f])/.exec(flake)?.[1] ??
    /^github:[^/]+\/[^/]+\/([0-9a-f]{40})(?![0-9a-f])/.exec(flake)?.[1]
  );
}

/** The commit of a pinned flake; what is no commit cannot be fetched by the host. */
export function commitOf({ host }: Pick<HostSettings, "host">, flake: string): string {
  const rev = revisionOf(flake);
  if (rev !== undefined) return rev;
  throw new UserError(
    {
      subject: host,
      problem: `the flake ${flake} is no commit, and a running host takes commits of its own repository only.`,
      fix: "Name it as github:owner/repo, or a commit with --rev.",
    },
    { exitCode: exitCodes.settings },
  );
}
