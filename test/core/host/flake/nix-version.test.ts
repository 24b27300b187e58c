import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { UserError } from "../../../../core/base/errors.ts";
import { exitCodes } from "../../../../core/base/exit-codes.ts";
import { checkNixOf } from "../../../../core/host/flake/nix-version.ts";
import { temporaryFolder } from "../../../_project.ts";

function programs(version: string, installer = "nix --extra-experimental-features x build") {
  const folder = temporaryFolder();
  const [script, nix] = [join(folder, "nixos-anywhere.sh"), join(folder, "nix")];
  writeFileSync(script, `#!/bin/sh\n${installer}\n`, { mode: 0o755 });
  writeFileSync(nix, `#!/bin/sh\necho '${version}'\n`, { mode: 0o755 });
  return [script, nix] as const;
}
const problem = (script: string, nix: string) => checkNixOf(script, nix).catch((error: unknown) => error);

it.each([
  ["nix (Nix) 2.8.0", "is 2.8."],
  ["nix (Nix) 2.15.9", "is 2.15."],
  ["nix (Nix) 1.99", "is 1.99."],
  ["none", "does not print its version"],
])("the script of nixos-anywhere is refused with %s", async (version, said) => {
  const failure = await problem(...programs(version));
  expect(failure).toBeInstanceOf(UserError);
  expect(failure).toMatchObject({ exitCode: exitCodes.settings, message: expect.stringContaining(said) });
});

it.each(["nix (Nix) 2.16.0", "nix (Nix) 2.26.3", "nix (Nix) 3.0", "nix (Lix, like Nix) 2.91.0"])(
  "it takes %s",
  async (version) => expect(await problem(...programs(version))).toBeUndefined(),
);

it("refuses where there is no nix, and asks for none that the installer does not use", async () => {
  const [script] = programs("nix (Nix) 2.8.0");
  expect(await problem(script, "/nowhere/nix")).toBeInstanceOf(UserError);
  expect(await problem(...programs("nix (Nix) 2.8.0", "true"))).toBeUndefined();
});
