import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import { expect, it } from "vitest";
import { describeWith } from "../_needs.ts";
import { temporaryFolder } from "../_project.ts";
import { evaluate, nixString } from "./_nix.ts";

/** The real text of a wrapper, with this machine's programs, around a script that says what it was given, beside others. */
async function wrapper(environment: Record<string, string>, others: Record<string, string> = {}) {
  const folder = temporaryFolder();
  mkdirSync(join(folder, "host/lib"), { recursive: true });
  const files = {
    "script.sh": 'source "${BASH_SOURCE[0]%/*}/lib/said.sh"\nsaid "$@"\n',
    "lib/said.sh": 'said() { printf "%s\\n" "$PATH" "$SECRETS_DIR" "$@"; }\n',
    ...others,
  };
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, "host", name), text);
  const settings = Object.entries(environment).map(([key, value]) => `${key} = ${nixString(value)};`);
  const expression = `import ./nix/lib/wrapper.nix {
    lib = import ./test/nix/eval/lib.nix;
    pkgs = { bash = "/usr"; writeShellScriptBin = name: text: text; };
  } { name = "x"; script = ${folder}/host/script.sh; programs = [ "/usr" "/" ]; environment = { ${settings.join(" ")} }; }`;
  const text = String(await evaluate(expression, folder));
  const file = join(folder, "wrapper");
  writeFileSync(file, `#!/bin/bash\n${text.replace("/nix/store/", `${folder}/nix/store/`)}`, { mode: 0o755 });
  const [store = ""] = text.match(/\/nix\/store\/[^/]+/) ?? [];
  return { file, store, sources: join(folder, store) };
}

describeWith({ programs: ["nix-instantiate", "bash"] }, "the wrapper of a root's command", () => {
  it("has its own PATH and settings, whatever the caller's are, and passes arguments as they are", async () => {
    const { file } = await wrapper({ SECRETS_DIR: "/var/lib/clawdlets/secrets/hosts/web-1" });
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
    const { stdout } = await execa((await wrapper({ SECRETS_DIR: value })).file, { extendEnv: false });
    expect(stdout.split("\n")[1]).toBe(value);
  });

  it.each([
    ["is the same whatever stands in another script", { "other.sh": "echo changed\n" }, true],
    ["changes with what its script may source", { "lib/said.sh": "said() { :; }\n" }, false],
    ["changes with its script", { "script.sh": "said changed\n" }, false],
  ])("%s", async (_, others, isSame) => {
    const [before, after] = [await wrapper({}, { "other.sh": "" }), await wrapper({}, others)];
    expect(after.store === before.store).toBe(isSame);
    expect(readdirSync(before.sources, { recursive: true }).sort()).toEqual(["lib", "lib/said.sh", "script.sh"]);
  });
});
