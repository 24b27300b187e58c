import { z } from "zod";
import { type GivenProblem, UserError } from "../../base/errors.ts";
import { parseJson } from "../../base/text/json.ts";
import { encodedValue } from "../flake/address.ts";
import type { SshRoute } from "../reach/ssh.ts";
import { lastLines, type NixFailed, type NixRun, nix } from "./nix.ts";
import { copySources } from "./push.ts";

/** Seconds. */
const limitSeconds = 1200;

const sourcePath = z.string().regex(/^\/nix\/store\/[0-9a-z]{32}-[\w.+?=-]+$/);

const metadata = z.object({
  path: sourcePath,
  lastModified: z.number().int().nonnegative(),
  locked: z.object({
    narHash: z.string().regex(/^sha256-[A-Za-z0-9+/]{43}=$/),
    dir: z.string().optional(),
    rev: z
      .string()
      .regex(/^[0-9a-f]{40}$/)
      .optional(),
  }),
});

interface Tree {
  path?: string | undefined;
  inputs?: Record<string, Tree> | undefined;
}
/** The flake and its inputs, each with its own. Nix leaves out the path of an input that is a folder of another one. */
const tree: z.ZodType<Tree> = z.object({
  path: sourcePath.optional(),
  inputs: z
    .record(
      z.string(),
      z.lazy(() => tree),
    )
    .optional(),
});

/**
 * Fetches a flake with its inputs on this machine, with its access to private repositories, and copies their files to the host. No
 * token, remote or git history goes along.
 * @param flake pinned, with attribute; a folder's tracked files if it is not
 * @returns what the host builds, as `nix/host/activate.sh` takes it: the hash of the files, which cover the lock file, which covers
 * the inputs. A signature of it is one of everything that the host evaluates.
 * @throws UserError; nothing has changed on the host
 */
export async function sendSource(request: NixRun, route: SshRoute, flake: string): Promise<string> {
  const [uri = ""] = flake.split("#");
  const ask = async (command: string) =>
    parseJson(
      await nix(request, ["flake", command, "--json", "--no-update-lock-file", uri], {
        timeoutSeconds: limitSeconds,
        explain: (failed) => fetchFailure(uri, failed),
        fetches: true,
      }),
    );
  // The archive fetches everything, so it comes first.
  const archive = tree.safeParse(await ask("archive")).data;
  const found = metadata.safeParse(await ask("metadata")).data;
  const paths = [...new Set(archive ? pathsOf(archive) : [])];
  if (!found || !paths.includes(found.path)) {
    throw new UserError({
      subject: request.host,
      problem: `nix fetched ${uri}, but did not say where it is. Nothing was changed.`,
    });
  }
  await copySources(request, route, paths);
  const { path, lastModified, locked } = found;
  const facts = { lastModified: String(lastModified), narHash: locked.narHash, rev: locked.rev, dir: locked.dir };
  const query = Object.entries(facts).flatMap(([key, value]) => (value ? [`${key}=${encodedValue(value)}`] : []));
  return `source:${path}?${query.join("&")}`;
}

function pathsOf({ path, inputs = {} }: Tree): string[] {
  return [...(path === undefined ? [] : [path]), ...Object.values(inputs).flatMap(pathsOf)];
}

function fetchFailure(uri: string, failed: NixFailed): Pick<GivenProblem, "code" | "problem" | "fix"> {
  if (/requires lock file changes/.test(failed.stderr)) {
    return {
      code: "flake-invalid",
      problem:
        "flake.lock does not cover all inputs of flake.nix, so the host could not tell what to build. Nothing was changed.",
      fix: "Run nix flake lock, commit flake.lock, then run the same command again.",
    };
  }
  return lastLines(
    "the flake and its inputs could not be fetched here",
    `Does this machine have access to all of them? Try: nix flake archive '${uri}'`,
  )(failed);
}
