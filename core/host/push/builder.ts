import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir, userInfo } from "node:os";
import { delimiter, join } from "node:path";
import { z } from "zod";
import { UserError } from "../../base/errors.ts";
import { searchPath } from "../../base/machine/environment.ts";
import { parseJson } from "../../base/text/json.ts";
import { parseBuilder } from "../../project/settings/builder.ts";
import type { HostSettings, LocalSettings } from "../../project/settings/host.ts";
import { knownHostsLine } from "../reach/known-hosts.ts";
import { operatorIdentity } from "../reach/operator.ts";
import { type SshRoute, ssh, writeRouteWrappers } from "../reach/ssh.ts";
import { type BuilderStep, builderFailure, unusableBuilder } from "./failures.ts";
import { lastLines, type NixRun, nix } from "./nix.ts";

/** Seconds. */
const limits = { answer: 60, evaluate: 600, copy: 3600, build: 3600 };

/** Name of the builder's key in the list of known hosts that its connections use. */
const alias = "clawdlets-builder";

export interface RemoteBuild extends NixRun {
  settings: Pick<HostSettings, "host" | "rebuild">;
  local: Pick<LocalSettings, "nix" | "githubToken" | "sshPubkeyFile">;
  report: (text: string) => void;
}

const evaluated = z.object({
  derivation: z.string().regex(/^\/nix\/store\/[0-9a-z]{32}-[\w.+?=-]+\.drv$/),
  system: z.string().regex(/^\/nix\/store\/[0-9a-z]{32}-[\w.+?=-]+$/),
});

/**
 * Evaluates a host's system on this machine, builds it on the builder and copies the result into this machine's store. The path comes
 * from the evaluation, so the builder cannot hand over another system's; what is in it is up to the builder.
 * @param flake pinned, with attribute
 * @returns the system's store path
 * @throws UserError; nothing has changed on the host
 */
export async function buildOnBuilder(request: RemoteBuild, flake: string): Promise<string> {
  const { settings, report } = request;
  const place = settings.rebuild.buildOn;
  return await withBuilder(request, async (env) => {
    const { derivation, system } = await evaluateHere(request, flake);
    const run = (step: BuilderStep, timeoutSeconds: number, args: readonly string[]) =>
      nix(request, args, {
        timeoutSeconds,
        env,
        explain: (failed) => builderFailure(place, step, failed),
        ...(step === "build" && { program: "nix-store" as const }),
      });
    report(`building on ${place}`);
    // The path of a derivation follows from its content, so the builder takes it from users that it does not trust as well.
    await run("send", limits.copy, ["copy", "--derivation", "--substitute-on-destination", "--to", store, derivation]);
    await run("build", limits.build, ["--store", store, "--realise", derivation]);
    report(`copying from ${place}`);
    // No key of the builder's: its ssh host key is pinned.
    await run("fetch", limits.copy, ["copy", "--no-check-sigs", "--from", store, system]);
    return system;
  });
}

/** nix runs the first ssh on PATH. "host" stands for the route, which only our wrapper knows. */
const store = "ssh-ng://host";

/** @param work gets the environment in which nix reaches the builder */
async function withBuilder<T>(request: RemoteBuild, work: (env: Record<string, string>) => Promise<T>): Promise<T> {
  const { settings, local, host, signal } = request;
  const { buildOn, builderKey = "" } = settings.rebuild;
  const builder = parseBuilder(buildOn);
  if (!builder) throw new Error(`${buildOn} is not a builder`);
  const folder = mkdtempSync(join(/\s/.test(tmpdir()) ? "/tmp" : tmpdir(), "clawdlets-builder-"));
  try {
    const knownHosts = join(folder, "known_hosts");
    writeFileSync(knownHosts, knownHostsLine([alias], builderKey), { mode: 0o600 });
    const { address, port, user = userInfo().username } = builder;
    const route: SshRoute = { address, port, user, alias, knownHosts, ...operatorIdentity(local.sshPubkeyFile) };
    const answer = await ssh(route, "nix-daemon --version", { timeoutSeconds: limits.answer, signal });
    signal.throwIfAborted();
    const problem = unusableBuilder(buildOn, answer);
    if (problem) throw new UserError({ subject: host, setting: "clawdlets:rebuild.buildOn", ...problem });
    writeRouteWrappers(folder, route);
    const path = [folder, ...searchPath()].join(delimiter);
    return await work({ PATH: path, ...(route.agent !== undefined && { SSH_AUTH_SOCK: route.agent }) });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Not with the wrappers on PATH: nix may fetch with git over ssh. */
async function evaluateHere(request: RemoteBuild, flake: string): Promise<z.infer<typeof evaluated>> {
  const [uri = "", attribute = ""] = flake.split("#");
  const wanted = `${uri}#nixosConfigurations."${attribute}".config.system.build.toplevel`;
  // nix prints an attribute set with an outPath as that path alone.
  const paths = ["--apply", "it: { derivation = it.drvPath; system = it.outPath; }"];
  const stdout = await nix(request, ["eval", "--json", "--no-write-lock-file", ...paths, wanted], {
    timeoutSeconds: limits.evaluate,
    fetches: true,
    explain: lastLines("the flake does not evaluate here", `See all of nix's messages: nix eval '${wanted}.drvPath'`),
  });
  const found = evaluated.safeParse(parseJson(stdout));
  if (found.success) return found.data;
  throw new UserError({
    subject: request.host,
    problem: `nix evaluated ${flake}, but named no store path. Nothing was changed.`,
  });
}
