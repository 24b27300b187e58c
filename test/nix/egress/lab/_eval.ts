import { evaluate, nixString } from "../../_nix.ts";

/** An attribute of a file or folder in nix/lib, called with an argument that JSON can hold. @throws Error with what Nix said */
export async function callNix<T>(file: string, attribute: string, argument: unknown): Promise<T> {
  const value = `builtins.fromJSON ${nixString(JSON.stringify(argument))}`;
  return (await evaluate(`(import ./nix/lib/${file}).${attribute} (${value})`)) as T;
}
