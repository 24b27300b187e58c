import { UserError } from "../../base/errors.ts";
import { exitCodes } from "../../base/exit-codes.ts";
import type { Layout } from "../../project/layout.ts";
import type { HostSettings, LocalSettings, WantedRevision } from "../../project/settings/host.ts";
import { resolveFlake } from "./flake.ts";

type Halves = { settings: HostSettings; local: LocalSettings };

/**
 * Resolves the commits of many hosts, each flake only once: if a branch moved during a rollout, the hosts after the canary would
 * get a commit that the canary has not tested.
 * @returns a function that pins one host's flake to a commit @throws UserError as {@link resolveFlake}
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
    // After a failure for one host, e.g. a file that is not committed, the next host tries again.
    const rev = revisionOf(await before.catch(() => ""));
    return resolveFlake(layout, settings, local, rev === undefined ? wanted : { rev });
  };
}

/** The commit in a flake's URI, 40 hex digits; undefined if it has none. */
export function revisionOf(flake: string): string | undefined {
  return (
    /[?&]rev=([0-9a-f]{40})(?![0-9a-f])/.exec(flake)?.[1] ??
    /^github:[^/]+\/[^/]+\/([0-9a-f]{40})(?![0-9a-f])/.exec(flake)?.[1]
  );
}

/** The commit of a pinned flake. @throws UserError for one without a commit, which the host could not fetch */
export function commitOf({ host }: Pick<HostSettings, "host">, flake: string): string {
  const rev = revisionOf(flake);
  if (rev !== undefined) return rev;
  throw new UserError(
    {
      subject: host,
      problem: `the flake ${flake} is not pinned to a commit, and a running host accepts only commits of its own repository.`,
      fix: "Use github:owner/repo, or pass a commit with --rev.",
    },
    { exitCode: exitCodes.settings },
  );
}
