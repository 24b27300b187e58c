import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import { expect, it } from "vitest";
import { describeWith } from "../_needs.ts";
import { temporaryFolder } from "../_project.ts";
import { evaluate, nixString } from "./_nix.ts";

/** The real text of a wrapper, with this machine's programs, around a script that says what it was given. */
async function wrapper(environment: Record<string, string>): Promise<string> {
  const folder = temporaryFolder();
  const script = join(folder, "script.sh");
  writeFileSync(script, 'printf "%s\\n" "$PATH" "$SECRETS_DIR" "$@"\n');
  const settings = Object.entries(environment).map(([key, value]) => `${key} = ${nixString(value)};`);
  const text = await evaluate(`import ./nix/lib/wrapper.nix {
    lib = import ./test/nix/eval/lib.nix;
    pkgs = { bash = "/usr"; writeShellScriptBin = name: text: text; };
  } { name = "x"; script = "${script}"; programs = [ "/usr" "/" ]; environment = { ${settings.join(" ")} }; }`);
  const file = join(folder, "wrapper");
  writeFileSync(file, `#!/bin/bash\n${text}`, { mode: 0o755 });
  return file;
}

describeWith({ programs: ["nix-instantiate", "bash"] }, "the wrapper of a root's command", () => {
  it("has its own PATH and settings, whatever the caller's are, and passes arguments as they are", async () => {
    const file = await wrapper({ SECRETS_DIR: "/var/lib/clawdlets/secrets/hosts/web-1" });
    const env = { PATH: "/home/admin/bin", SECRETS_DIR: "/home/admin" };
    const { stdout } = await execa(file, ["a b", "*", ""], { env, extendEnv: false, stripFinalNewline: false });
    expect(stdout.split("\n")).toEqual([
      "/usr/bin://bin",
      "/var/lib/clawdlets/secrets/hosts/web-1",
      "a b",
      "*",
      "",
      "",
    ]);
  });

  it("takes a setting for no more than a text", async () => {
    const value = 'a\'b $(id) "c" `id`';
    const { stdout } = await execa(await wrapper({ SECRETS_DIR: value }), { extendEnv: false });
    expect(stdout.split("\n")[1]).toBe(value);
  });
});
