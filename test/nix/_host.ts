import { evaluate, refusalOf } from "./_nix.ts";

export const adminKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGjTrP2PB+7IVvyoXcRhlWo8aac6mXJvuWm57bHZKIdI operator";

/** The minimal settings of a host, as Nix. */
export const enough = `{ clawdlets = { hostName = "web-1"; adminSshKeys = [ "${adminKey}" ]; tailnet.mode = "tailscale"; }; }`;

// biome-ignore lint/suspicious/noExplicitAny: the configuration of a whole NixOS host.
type Config = any;

export interface EvaluatedHost {
  config: Config;
  /** Messages of failed assertions. */
  refused: string[];
  warnings: string[];
  /** Names of our options, without `clawdlets.`. */
  options: string[];
  /** Options of ours without type, default, description or example. */
  untold: string[];
}

const expression = (modules: readonly string[]) =>
  `import ./test/nix/eval/host.nix { modules = [ ${modules.map((module) => `(${module})`).join(" ")} ]; }`;

/** Fully evaluates a host with all our modules and these settings. @param modules NixOS modules, as Nix */
export async function host(...modules: string[]): Promise<EvaluatedHost> {
  return (await evaluate(expression(modules))) as EvaluatedHost;
}

/** Text of the command that a host with these settings has by this name, made by nix/lib/wrapper.nix. */
export async function commandText(name: string, ...modules: string[]): Promise<string> {
  const texts = `map (each: each.text or "") (builtins.filter (each: each.name == "${name}") (${expression(modules)}).config.environment.systemPackages)`;
  return ((await evaluate(texts)) as string[]).join();
}

/** Nix's error message for a host that it cannot evaluate. */
export async function hostRefusal(...modules: string[]): Promise<string> {
  return await refusalOf(expression(modules));
}
