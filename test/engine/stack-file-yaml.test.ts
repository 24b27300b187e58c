import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { problemSentence } from "../../core/base/problem.ts";
import { layoutOf } from "../../core/project/layout.ts";
import { readStackFile, stackTextSettings } from "../../core/project/settings/stack-file.ts";
import { parseStackYaml } from "../../core/project/settings/stack-yaml.ts";
import { findEngine } from "../../engine/find-engine.ts";
import { type Backend, makeBackend } from "../../engine/preview/backend.ts";
import type { Engine } from "../../toolchain/index.ts";
import { describeWith } from "../_needs.ts";
import { project, stackFile } from "../_project.ts";
import fc from "../_properties.ts";
import { repository } from "../_repository.ts";
import { evaluate } from "../nix/_nix.ts";

const folder = mkdtempSync(join(tmpdir(), "clawdlets-yaml-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let engine: Engine;
let backend: Backend;
beforeAll(async () => {
  const found = findEngine(repository);
  if (!found) throw new Error("No engine in .toolchain: run scripts/setup.sh first.");
  engine = found;
  backend = await makeBackend(engine, folder, "clawdlets", "s");
}, 60_000);

/** Our settings as the real engine reads them; undefined where it refuses the file. */
async function engineReads(
  text: string,
  manifest = "{name: clawdlets, runtime: nodejs}",
): Promise<Record<string, unknown> | undefined> {
  const workDir = mkdtempSync(join(folder, "project-"));
  writeFileSync(join(workDir, "Pulumi.yaml"), manifest);
  const file = join(workDir, "Pulumi.s.yaml");
  writeFileSync(file, text);
  const args = ["config", "--json", "--stack", "s", "--config-file", file];
  const { exitCode, stdout } = await execa(engine.pulumi, args, {
    cwd: workDir,
    env: backend.environment,
    extendEnv: false,
    reject: false,
    stdin: "ignore",
  });
  if (exitCode !== 0) return undefined;
  const all: Record<string, { value?: string; objectValue?: unknown }> = JSON.parse(stdout);
  return Object.fromEntries(
    Object.entries(all).flatMap(([key, { value, objectValue }]) =>
      key.startsWith("clawdlets:") ? [[key.slice("clawdlets:".length), objectValue ?? value]] : [],
    ),
  );
}

/** The engine gives every single value as text. */
const asText = (value: unknown) => (typeof value === "object" && value !== null ? value : String(value ?? ""));
const inConfig = (lines: string) => `config:\n${lines.replace(/^/gm, "  ")}\n`;

/** Each with what the engine makes of it, so that the test says when an engine reads it differently. */
const refused: [string, string, unknown][] = [
  ["a merge into config", "x: &x\n  clawdlets:a: evil\nconfig:\n  <<: *x\n", { a: "evil" }],
  ["a merge of what is written out", inConfig("clawdlets:a: {<<: {b: c}, d: e}"), { a: { b: "c", d: "e" } }],
  ["a merge in quotes", inConfig('clawdlets:a: {"<<": {b: c}}'), { a: { b: "c" } }],
  ["a merge with its tag", inConfig("clawdlets:a: {!!merge <<: {b: c}}"), { a: { b: "c" } }],
  ["a key without a namespace", inConfig("a: evil"), { a: "evil" }],
  ["the old spelling of a key", inConfig("clawdlets:config:a: evil"), { a: "evil" }],
  ["an octal number", inConfig("clawdlets:a: 010"), { a: "8" }],
  ["an octal number in a list", inConfig("clawdlets:a: [010]"), { a: [8] }],
  ["a binary number", inConfig("clawdlets:a: 0b11"), { a: "3" }],
  ["a number with underscores", inConfig("clawdlets:a: 1_000"), { a: "1000" }],
  ["a number beyond 2^53", inConfig("clawdlets:a: 9007199254740993"), { a: "9007199254740993" }],
  ["a date", inConfig("clawdlets:a: 2026-01-01"), { a: "2026-01-01 00:00:00 +0000 UTC" }],
  ["!!binary", inConfig("clawdlets:a: !!binary aGk="), { a: "hi" }],
  ["!!str", inConfig("clawdlets:a: !!str 5"), { a: "5" }],
  ["YAML 1.1 by directive", `%YAML 1.1\n---\n${inConfig("clawdlets:a: yes")}`, { a: "yes" }],
  ["two documents", `${inConfig("clawdlets:a: x")}---\n${inConfig("clawdlets:a: y")}`, { a: "x" }],
  ["an empty document first", `---\n---\n${inConfig("clawdlets:a: x")}`, {}],
  ["lines that end as on old Macs", inConfig("clawdlets:a: x").replaceAll("\n", "\r"), { a: "x" }],
  ["an alias", inConfig("clawdlets:a: &a x\nclawdlets:b: *a"), { a: "x", b: "x" }],
];

describe("refused, with file and line, since the engine reads it differently from us or at all", () => {
  test.each(refused)("%s", async (_, text, read) => {
    expect(await engineReads(text)).toEqual(read);
    const { value, problems } = stackTextSettings(text, "stacks/Pulumi.s.yaml");
    expect(value).toBeUndefined();
    expect(problems[0]?.subject).toBe("stacks/Pulumi.s.yaml");
    if (problems[0]?.code === "invalid-syntax") expect(problems[0].problem).toMatch(/line \d+, column \d+/);
  });

  test("defaults for every stack in Pulumi.yaml", async () => {
    for (const key of ["flake", "clawdlets:flake"]) {
      const manifest = `name: clawdlets\nruntime: nodejs\nconfig:\n  ${key}: github:them/hosts\n`;
      const layout = project({ stackFile });
      writeFileSync(join(layout.root, "Pulumi.yaml"), manifest);
      const { value, problems } = readStackFile(layoutOf(layout.root), "clawdbot-fleet-host");
      expect(value).toBeUndefined();
      expect(problems).toEqual([
        expect.objectContaining({ code: "ignored-setting", subject: "Pulumi.yaml", setting: `config.${key}` }),
      ]);
    }
  });
});

test("what is taken, the engine reads with the same values", async () => {
  const scalars = [
    ...["x", "yes", "No", "on", "off", "y", "true", "True", "FALSE", "null", "~", "", "0", "7", "443", "-1"],
    ...["1.5", "1.0", "1e3", "1:30", "80-90", "10.0.0.0/8", '"::/0"', "x #c", "x#c", "=", "<<"],
    ...["'it''s'", '"a\\u0041"', '"0\\tb"', "|\n  a\n  b", "|2-\n    a\n  b", '"010"', "'2026-01-01'"],
    ...["[a, b]", "{a: b}", "[1, yes, null, 1.5]", "{a: {b: [c]}}", "\n- a\n- - b", "[]", "{}", "[{a: 1}, {b: 2}]"],
    '{"a":1, \'b\' : "c"}',
  ];
  const text = inConfig(scalars.map((scalar, index) => `clawdlets:k${index}: ${scalar}`).join("\n"));
  const { value, problems } = stackTextSettings(text, "");
  expect(problems).toEqual([]);
  const ours = Object.fromEntries(Object.entries(value ?? {}).map(([key, each]) => [key, asText(each)]));
  expect(await engineReads(text)).toEqual(ours);
  for (const whole of [
    inConfig("clawdlets:a: x").replaceAll("\n", "\r\n"),
    inConfig("'clawdlets:a' : x"),
    `"config":\n "clawdlets:a": x # y\n`,
  ])
    expect([await engineReads(whole), stackTextSettings(whole, "").value], whole).toEqual([{ a: "x" }, { a: "x" }]);
}, 60_000);

test.each([
  ["brackets around everything", '{"config": {"clawdlets:a": "x"}}'],
  ["a byte order mark", `\ufeff${inConfig("clawdlets:a: x")}`],
  ["the mark of a document", `---\n${inConfig("clawdlets:a: x")}`],
  ["a key of its own", inConfig("? clawdlets:a\n: x")],
  ["a value below its key", inConfig("clawdlets:a:\n  x")],
  ["a folded text", inConfig("clawdlets:a: >-\n  x")],
  ["a quoted text over two lines", inConfig('clawdlets:a: "\\\n  x"')],
])("what Nix alone cannot read is refused with line, column and what to write: %s", async (_, text) => {
  expect(await engineReads(text)).toEqual({ a: "x" });
  const [problem] = stackTextSettings(text, "f").problems;
  expect(problem && problemSentence(problem)).toMatch(
    /^Nix cannot read this file: line \d+, column \d+: .+\. (Write|Save|Remove) .+\.$/,
  );
});

describeWith({ programs: ["nix-instantiate"] }, "what pulumi config set writes", () => {
  test("is taken, and read by Nix with the same values", async () => {
    const workDir = mkdtempSync(join(folder, "set-"));
    writeFileSync(join(workDir, "Pulumi.yaml"), "{name: clawdlets, runtime: nodejs}");
    const file = join(workDir, "Pulumi.s.yaml");
    writeFileSync(file, `# ours\nconfig:\n  clawdlets:flow: {a: b, 'c d': ["::/0"]} # theirs\n`);
    const set = async (key: string, value: string, ...more: string[]) => {
      const options = [...more, "--stack", "s", "--config-file", file];
      await execa(engine.pulumi, ["config", "set", ...options, "--", key, value], {
        cwd: workDir,
        env: backend.environment,
        extendEnv: false,
      });
    };
    const values = [
      "l1\nl2",
      "l1\n\n l2\n\n",
      "  first\nnext",
      "🙂 é",
      "5",
      "",
      " x ",
      `it's "q"`,
      "a\tb",
      "a\tb\nc",
      "x \ny",
    ];
    const others = [
      "2026-01-01",
      "1_000",
      "0b11",
      ".inf",
      "~",
      ": x",
      "a #b",
      "%a",
      "- x",
      "# c\n# d",
      "a\r\nb",
      "\x1b[0m\x7f",
    ];
    let all = 0;
    for (const [index, value] of [...values, ...others].entries()) {
      await set(`clawdlets:k${index}`, value, "--plaintext");
      // In a list, the engine cannot read what it writes of a text with spaces first and several lines.
      if (!/^ .*\n/.test(value)) await set(`clawdlets:all[${all++}]`, value, "--path", "--plaintext");
    }
    for (const [index, name] of ["owner name", "123", "on", "a: b", 'a"b', "it's", "- x", "é", "~", "a::"].entries())
      await set(`clawdlets:names[${JSON.stringify(name)}]`, String(index), "--path");
    await set("clawdlets:deep[0][0]", "x", "--path");
    await set("clawdlets:deep[0][1].a", "-1", "--path");
    await set("clawdlets:deep[0][1].b", "l1\n l2\n", "--path");
    await set("clawdlets:deep[1]", "1.5", "--path", "--type", "float");
    await set("clawdlets:deep[2]", "1e30", "--path", "--type", "float");
    await set("clawdlets:deep[3].password", "hunter", "--path", "--secret");
    await set("clawdlets:password", "hunter", "--secret");
    await set("clawdlets:flow.on", "l1\nl2", "--path");
    await set("other:setting", "l1\nl2");
    const text = readFileSync(file, "utf8");
    const { document, problems } = parseStackYaml(text, "f");
    expect(problems).toEqual([]);
    expect(await evaluate(`import ./nix/lib/yaml.nix "f" (builtins.readFile ${file})`)).toEqual(document?.toJS());
  }, 120_000);
});

test("of made-up texts, whatever we take the engine reads with the same values", async () => {
  const piece = fc.constantFrom(
    ..."0123456789_.-+:/eExXoObBTZaf ~yn*&!<>=,[]{}#'\"|%@".split(""),
    "true",
    "null",
    "00",
    "<<: ",
    "2026-01-02",
  );
  const scalar = fc.array(piece, { minLength: 1, maxLength: 8 }).map((parts) => parts.join(""));
  const all = fc.sample(scalar, { numRuns: 4000, seed: 17 });
  const taken = all.filter((text) => {
    const { value } = stackTextSettings(inConfig(`clawdlets:a: ${text}`), "");
    return value !== undefined && Object.hasOwn(value, "a");
  });
  expect(taken.length).toBeGreaterThan(500);
  // One run of the engine reads hundreds; what it refuses is halved until it stands alone.
  const check = async (texts: string[]): Promise<void> => {
    if (texts.length === 0) return;
    const text = inConfig(texts.map((each, index) => `clawdlets:k${index}: ${each}`).join("\n"));
    const { value } = stackTextSettings(text, "");
    const engines = await engineReads(text);
    if (engines === undefined || value === undefined) {
      if (texts.length === 1) return; // Refused by the engine, aloud.
      const middle = texts.length >> 1;
      await check(texts.slice(0, middle));
      await check(texts.slice(middle));
      return;
    }
    for (const [index, each] of texts.entries()) {
      const [ours, theirs] = [value[`k${index}`], engines[`k${index}`]];
      if (typeof ours === "number") expect(Number(theirs), each).toBe(ours);
      else expect(theirs, each).toEqual(asText(ours));
    }
  };
  await check(taken);
}, 300_000);
