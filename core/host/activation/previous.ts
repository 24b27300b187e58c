import { UserError } from "../../base/errors.ts";
import { askHost } from "../reach/ask.ts";
import { type SshRoute, ssh } from "../reach/ssh.ts";

const profiles = "/nix/var/nix/profiles";

/** Finds the generation before the current one, as `clawdlets-activate` does. @returns its store path @throws UserError if there is none */
export async function previousSystem(host: string, route: SshRoute, signal: AbortSignal): Promise<string> {
  const run = (command: string) => ssh(route, command, { timeoutSeconds: 20, signal });
  const seen = await askHost(run, { current: `readlink ${profiles}/system`, all: `ls ${profiles}` });
  const numberOf = (link: string) => Number(/^system-([1-9][0-9]*)-link$/.exec(link)?.[1] ?? 0);
  const current = numberOf(seen?.current ?? "");
  const earlier = (seen?.all ?? "")
    .split("\n")
    .map(numberOf)
    .filter((number) => number > 0 && number < current);
  if (earlier.length === 0)
    throw new UserError({ subject: host, problem: "there is no earlier generation. Nothing was changed." });
  const found = await askHost(run, { system: `readlink -f ${profiles}/system-${Math.max(...earlier)}-link` });
  const system = found?.system ?? "";
  if (/^\/nix\/store\/[0-9a-z]{32}-[\w.+?=-]+$/.test(system)) return system;
  throw new UserError({
    subject: host,
    problem: `its generation ${Math.max(...earlier)} could not be read. Nothing was changed.`,
  });
}
