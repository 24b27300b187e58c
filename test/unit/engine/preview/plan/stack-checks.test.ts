import { cpSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { exampleHost } from "../../../../../core/project/settings/example-stack.ts";
import { copyStackFile } from "../../../../../core/project/settings/stack-file.ts";
import { settingLine } from "../../../../../engine/preview/plan/locate.ts";
import { checkStacks } from "../../../../../engine/preview/plan/stack-checks.ts";
import { project, recipient, stackFile } from "../../../../_project.ts";
import { repository } from "../../../../_repository.ts";

const host = "clawdbot-fleet-host";
const other = "age1lggyhqrw2nlhcxprm67z43rta597azn8gknawjehu9d9dl0jq3yqqvfafg";

describe("the files of a stack, before the engine is asked", () => {
  const withSecret = (to: string) => {
    const layout = project({ stackFile: `${stackFile}  clawdlets:tailnet: none\n` });
    const folder = join(layout.secrets, "hosts", host);
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const text = `admin_password_hash: ENC[AES256_GCM,data:x,type:str]\nsops:\n  age:\n    - recipient: ${to}\n      enc: x\n`;
    writeFileSync(join(folder, "admin_password_hash.yaml"), text, { mode: 0o600 });
    return layout;
  };

  test("a host whose recipient is not in its secrets' files is told, where they are there", () => {
    const [checked] = checkStacks(withSecret(other), [host]);
    expect(checked?.problems).toEqual([
      expect.objectContaining({ setting: "admin_password_hash", problem: expect.stringContaining(`but to ${other}`) }),
    ]);
    expect(checkStacks(withSecret(recipient), [host])[0]?.problems).toEqual([]);
  });

  test("a project without .clawdlets, or with one that is not finished, is still fine", () => {
    expect(checkStacks(project({ stack: null }), [host])[0]?.problems).toEqual([]);
  });

  test("a bot whose folder is unsafe or broken is found, with the file", () => {
    const layout = project({ stack: null, stackFile: `${stackFile}  clawdlets:bots: [maren]\n` });
    const file = "bots/maren/openclaw.json";
    mkdirSync(join(layout.root, "bots/maren"), { recursive: true });
    const found = (text: string) => {
      writeFileSync(join(layout.root, file), text);
      return checkStacks(layout, [host])[0]?.problems.map(({ code, at, setting }) => [code, at.file, at.line, setting]);
    };
    expect(found("{ gateway: { mode: 'local' } }")).toEqual([]);
    expect(found("{ gateway: { mode: 'local', bind: 'lan' } }")).toEqual([["bot-unsafe", file, 1, "gateway.bind"]]);
    expect(found("{\n\n}}")).toEqual([["invalid-syntax", file, 3, undefined]]);
  });

  test("the example is fine, and a copy of it that has no keys of its own is told, as no double of it", async () => {
    const layout = project({ stack: null, stackFile: null });
    cpSync(join(repository, "stacks/Pulumi.example.yaml"), join(layout.stacks, "Pulumi.example.yaml"));
    await copyStackFile(layout, exampleHost, layout, host);
    const found = checkStacks(layout, [exampleHost, host]).map(({ problems }) => problems.map(({ code }) => code));
    expect(found).toEqual([["key-missing"], []]);
  });

  test("a host that is asked for and has no file is told", () => {
    const [checked] = checkStacks(project({ stackFile: null }), [host]);
    expect(checked?.problems).toEqual([
      expect.objectContaining({
        at: { file: `stacks/Pulumi.${host}.yaml`, line: 1 },
        problem: expect.stringContaining("no such file"),
      }),
    ]);
  });
});

describe("the line of a setting", () => {
  const text =
    "# a comment\nconfig:\n  clawdlets:bots:\n    - maren\n    - lotte\n  clawdlets:install:\n    deadlines:\n      kexec: 15\n";
  test.each([
    ["clawdlets:bots", 3],
    ["clawdlets:bots.1", 5],
    ["clawdlets:install.deadlines.kexec", 8],
    ["clawdlets:install.deadlines.unheard", 7],
    ["clawdlets:serverType", 2],
    [undefined, 1],
  ])("%s is on line %d", (setting, line) => expect(settingLine(text, setting)).toBe(line));

  test.each([
    ["", 1],
    ["just text", 1],
    ["a: 1\nconfig: [\n", 3],
    [`config: ${"[".repeat(100_000)}`, 1],
  ])("of a broken file is where it breaks, or the first (%#)", (broken, line) =>
    expect(settingLine(broken, "clawdlets:serverType")).toBe(line),
  );
});
