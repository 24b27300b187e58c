import { existsSync } from "node:fs";
import { join, relative } from "node:path";
import { UserError } from "../errors.ts";
import { exitCodes } from "../exit-codes.ts";
import { git } from "../local/git.ts";
import { hostLayoutOf, type Layout } from "../local/layout.ts";
import type { HostSettings, LocalSettings } from "../settings/host.ts";

const refuse = (message: string) => new UserError(message, { exitCode: exitCodes.settings });

/**
 * The flake to install, pinned to a revision: the one that is named, else the repository's own origin, else the repository
 * on this machine. Only what git tracks is ever copied to the store.
 * @returns `uri?rev=…#attribute`
 */
export async function resolveFlake(layout: Layout, settings: HostSettings, local: LocalSettings): Promise<string> {
  const named = settings.flake ?? local.flake;
  if (named !== undefined) {
    const [uri = "", attribute = settings.flakeHost] = named.split("#");
    if (attribute !== settings.flakeHost) {
      throw refuse(
        `The flake names the attribute "${attribute}", but clawdlets:flakeHost is "${settings.flakeHost}". Make them the same.`,
      );
    }
    refuseLeakyFlake(layout, uri);
    return `${uri}#${settings.flakeHost}`;
  }
  const rev = await git(layout.root, "rev-parse", "--verify", "HEAD");
  if (rev === undefined) {
    throw refuse(
      `${layout.root} has no git commit, and no flake is named. Commit the project, or set clawdlets:flake in the stack file.`,
    );
  }
  await checkCommitted(layout, settings.host);
  const origin = await git(layout.root, "remote", "get-url", "origin");
  return `${flakeOfOrigin(origin) ?? `git+file://${layout.root}`}?rev=${rev}#${settings.flakeHost}`;
}

/** `github:owner/repo` for a GitHub origin, whichever way it is spelt; other hosts by git. */
export function flakeOfOrigin(origin: string | undefined): string | undefined {
  if (origin === undefined || origin === "") return undefined;
  const github = /^(?:https:\/\/|ssh:\/\/git@|git@)github\.com[/:]([^/]+)\/(.+?)(?:\.git)?\/?$/.exec(origin);
  if (github) return `github:${github[1]}/${github[2]}`;
  if (/^(https|ssh):\/\//.test(origin)) return `git+${origin}`;
  const scp = /^([^@/]+@[^:/]+):(.+)$/.exec(origin);
  return scp ? `git+ssh://${scp[1]}/${scp[2]}` : undefined;
}

/** Nix copies the whole folder of a `path:` flake into the world-readable store, ignored files included. */
function refuseLeakyFlake(layout: Layout, uri: string): void {
  const path = /^(?:path:)?((?:\/|\.|~).*)$/.exec(uri)?.[1]?.split("?")[0];
  const isPath = uri.startsWith("path:") || (path !== undefined && !existsSync(join(path, ".git")));
  if (isPath && existsSync(join(path ?? layout.root, ".clawdlets"))) {
    throw refuse(
      `The flake "${uri}" would be copied whole into /nix/store, .clawdlets with its keys included. Name it as git+file://${path ?? layout.root}, or by its origin: git flakes take tracked files only.`,
    );
  }
}

/** A git flake sees commits, not the folder: an uncommitted stack file would install a host without its settings. */
async function checkCommitted(layout: Layout, host: string): Promise<void> {
  const file = relative(layout.root, hostLayoutOf(layout, host).stackFile);
  if ((await git(layout.root, "cat-file", "-e", `HEAD:./${file}`)) === undefined) {
    throw refuse(`${file} is not committed, and the flake sees commits only. Mend: git add '${file}' && git commit`);
  }
}
