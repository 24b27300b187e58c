import { join } from "node:path";
import { execa } from "execa";
import { path } from "../_debian.ts";
import { repository } from "../_repository.ts";

export const nixFolder = join(repository, "nix");

/** A store that is not there: nothing of this machine is read or written, and it works for any user. */
const nowhere = ["--store", "dummy://", "--option", "build-users-group", ""];

/**
 * The value of a Nix expression, as Nix itself evaluates it, in whole.
 * @param expression relative paths in it begin at the project's root
 * @throws Error with what Nix said
 */
export async function evaluate(expression: string): Promise<unknown> {
  const { failed, stdout, stderr } = await nix("--eval", "--strict", "--json", "--expr", expression);
  if (failed) throw new Error(stderr);
  return JSON.parse(stdout);
}

/** What Nix says of an expression that it refuses. @throws Error when it does not */
export async function refusalOf(expression: string): Promise<string> {
  const { failed, stdout, stderr } = await nix("--eval", "--strict", "--json", "--expr", expression);
  if (!failed) throw new Error(`was not refused: ${stdout}`);
  return stderr;
}

export async function nix(...args: string[]) {
  const env = { PATH: path };
  return await execa("nix-instantiate", [...nowhere, ...args], { cwd: repository, env, reject: false });
}

/** A text as a Nix string. */
export const nixString = (text: string) => JSON.stringify(text).replaceAll("${", "\\${");
