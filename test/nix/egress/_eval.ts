import { fileURLToPath } from "node:url";
import { execa } from "execa";

const folder = fileURLToPath(new URL("../../../nix/lib", import.meta.url));

/** An attribute of a file in nix/lib, called with an argument that JSON can hold. @throws Error with what Nix said */
export async function callNix<T>(file: string, attribute: string, argument: unknown): Promise<T> {
  // The argument travels by the environment: no quoting of Nix text in Nix text.
  const expression = `(import ${folder}/${file}).${attribute} (builtins.fromJSON (builtins.getEnv "ARGUMENT"))`;
  const { stdout, stderr, failed } = await execa(
    "nix-instantiate",
    ["--eval", "--strict", "--json", "--readonly-mode", "-E", expression],
    { env: { ARGUMENT: JSON.stringify(argument) }, reject: false },
  );
  if (failed) throw new Error(stderr);
  return JSON.parse(stdout) as T;
}
