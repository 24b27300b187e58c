import { join } from "node:path";
import { execa } from "execa";
import { path } from "../_debian.ts";
import { repository } from "../_repository.ts";

export const nixFolder = join(repository, "nix");

/** A dummy store: reads and writes nothing on this machine, and works for any user. */
const nowhere = ["--store", "dummy://", "--option", "build-users-group", ""];

/**
 * Fully evaluates an expression with Nix.
 * @param expression relative paths in it start at the project's root
 * @param root where what it copies to the store is really written: below nix/store in this folder
 * @throws Error with Nix's message
 */
export async function evaluate(expression: string, root?: string): Promise<unknown> {
  const written = root === undefined ? [] : ["--read-write-mode", "--store", `local?root=${root}`];
  const { failed, stdout, stderr } = await nix("--eval", "--strict", "--json", "--expr", expression, ...written);
  if (failed) throw new Error(stderr);
  return JSON.parse(stdout);
}

/** Nix's error message for an expression. @throws Error if Nix accepts it */
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
