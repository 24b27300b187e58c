import { isDeepStrictEqual } from "node:util";
import { expect, it } from "vitest";
import { Document, parseDocument } from "yaml";
import { nixSystemOf } from "../../core/project/settings/server/architecture.ts";
import { checkStackConfig } from "../../core/project/settings/stack-config/check.ts";
import { readStackFile, writing } from "../../core/project/settings/stack-file.ts";
import { parseStackYaml } from "../../core/project/settings/stack-yaml.ts";
import { describeWith } from "../_needs.ts";
import { project, stackFile } from "../_project.ts";
import fc from "../_properties.ts";
import { evaluate, nixString, refusalOf } from "./_nix.ts";

const read = (text: string) => `import ./nix/lib/yaml.nix "Pulumi.web-1.yaml" ${nixString(text)}`;

/** What Nix makes of each text. An argument may have 128 KB, so they are evaluated in parts. */
async function readAll(texts: string[]): Promise<{ success: boolean; value: unknown }[]> {
  const parts: string[][] = [[]];
  let size = 0;
  for (const text of texts) {
    const expression = `(builtins.tryEval (builtins.toJSON (${read(text)})))`;
    size += Buffer.byteLength(expression) + 1;
    if (size > 100_000) {
      parts.push([]);
      size = Buffer.byteLength(expression) + 1;
    }
    parts.at(-1)?.push(expression);
  }
  const answers: { success: boolean; value: unknown }[] = [];
  for (const part of parts)
    answers.push(...((await evaluate(`[ ${part.join(" ")} ]`)) as { success: boolean; value: unknown }[]));
  return answers.map((each) => ({ ...each, value: each.success && rounded(String(each.value)) }));
}

/** Nix 2.8 prints six digits of a number with a fraction. */
const rounded = (json: string): unknown =>
  JSON.parse(json, (_key, value) => (typeof value === "number" ? Number(value.toPrecision(6)) : value));

const nixKey = "clawdlets-1a2b3c4d:4rFJp0w0jDzKEzKaPFnyX9g1yzB0pr0ZCPgLqTpZxLc=";

describeWith({ programs: ["nix-instantiate"] }, "the reader of stack files in Nix", () => {
  it.each([
    ["nothing", ""],
    ["comments only", "# a\n\n  # b\n"],
    ["a mapping", "a: b\nc-d: e f\n"],
    ["no end of line", "a: b"],
    ["Windows line ends", "a: b\r\nc:\r\n  - d\r\n"],
    [
      "mappings in mappings",
      "config:\n  clawdlets:install:\n    deadlines:\n      kexec: 20\n    buildOn: auto\nx: y\n",
    ],
    ["keys with colons, values with colons", "config:\n  clawdlets:flake: github:you/hosts?ref=main\n"],
    ["lists", "a:\n  - b\n  - c d\ne: f\n"],
    ["lists as deep as their key", "config:\n  a:\n  - b\n  - c\n  d: e\n"],
    ["lists in one line", "a: [b, c d , 'e', \"f\"] # g\n"],
    ["empty lists and mappings", "a: []\nb: {}\nc: [ ] # none\n"],
    ["comments behind values", "a: b # c\nd: 'e' # f\ng: # h\n  - i # j\n"],
    ["a hash within a word", "a: b#c\n"],
    ["double quotes", `a: "b: #c \\" \\\\ d"\n`],
    ["single quotes", "a: 'it''s: #1'\n"],
    ["quoted numbers and booleans", `a: "false"\nb: '7'\nc: ""\nd: ''\n`],
    ["booleans", "a: true\nb: False\nc: FALSE\n"],
    ["what was a boolean once", "a: yes\nb: off\nc: n\n"],
    ["nothing as a value", "a:\nb: null\nc: ~\nd: x\n"],
    ["whole numbers", "a: 0\nb: 12\n"],
    ["words that begin like numbers", "a: 1.2.3.4/32\nb: 12ab\nc: 2001:db8::/32\nd: 8eeec934\n"],
    ["keys and salts", "k: ssh-ed25519 AAAA/+= you@laptop (new)\nencryptionsalt: v1:BCM2dD7Vpv4=:v1:dt5B\n"],
    ["a value that Pulumi encrypted", "config:\n  clawdlets:x:\n    secure: AAABAAC+/=\n"],
    ["mappings as items", "a:\n  - b: c\n    d: [e, f]\n  - g:\n      - h\n    i: 1\n  -   j: k\n      l: m\nn: o\n"],
    ["mappings in mappings as items", "a:\n- b:\n    c: d\n  e: f\n- g: h\n"],
    [
      "what pulumi config set --path writes",
      "config:\n  clawdlets:firewallRules:\n    - protocol: tcp\n      port: 443\n      sourceIps:\n        - 0.0.0.0/0\n    - protocol: icmp\n",
    ],
    ["a mapping in one line", "a: { b: c, d: , e: [] } # f\n"],
    ["lists in lists", "a: [b, [c, 'd, [e'], []]\n"],
    [
      "what docs/settings.md shows",
      'config:\n  clawdlets:firewallRules:\n    - {protocol: tcp, port: 443, sourceIps: [0.0.0.0/0, "::/0"]}\n',
    ],
    ["the same on one line", 'a: [{protocol: tcp, sourceIps: [0.0.0.0/0, ::/0]}, {b: "c, {d"}]\n'],
    ["other letters", "a: Zoë\n"],
    ["keys in quotes and with spaces", '"123": a\n\'on\': b\n"x\\ny": c\nowner name: d\na : e\nZoë: f\n'],
    ["keys in quotes on one line", 'a: {"b": c, \'d e\': "f", "g":1, "h":}\n'],
    ["a list as an item", "a:\n  - - b\n    - c\n  - - - d: e\n        f: g\n  - h\n"],
    ["texts in several lines", "a: |\n  b\n   # c\n\n  d\te\nf: |-\n  g\n\nh: |+\n  i\n\nj: k\n"],
    [
      "such texts as items and with spaces first",
      "a:\n  - |\n    b\n  - c: |2-\n        d\n      e\n    f: g\n  - - |+\n      h\n\n# i\n",
    ],
    [
      "what Pulumi writes of other letters",
      'a: "\\x01\\x7F\\N\\_\\L\\P\\uFEFF\\U0001F642\\a\\b\\e\\f\\n\\r\\t\\v\\\\\\""\n',
    ],
    ["other numbers", "a: -1\nb: 1.5\nc: 1e+30\nd: -0.25\n"],
    ["a test's stack file", stackFile],
  ])("reads %s as the yaml library does", async (_, text) => {
    const { document, problems } = parseStackYaml(text, "f");
    expect(problems).toEqual([]);
    expect(await evaluate(read(text))).toEqual(document?.toJS());
  });

  it.each([
    ["a tab", "a:\n\tb: c\n", 2],
    ["an anchor", "a: &x b\n", 1],
    ["an alias", "a: b\nc: *x\n", 2],
    ["a tag", "a: !!str b\n", 1],
    ["a folded text", "a: >-\n  b\n", 1],
    ["a text in several lines without text", "a: |\nb: c\n", 1],
    ["a text in several lines, not ended", "a: |\n  b", 2],
    ["a text with a line of spaces", "a: |\n  b\n    \n  c\n", 1],
    ["an item below its mark", "a:\n  -\n    b: c\n", 2],
    ["a list at the top", "- a\n", 1],
    ["a merge", "<<: a\n", 1],
    ["a key that is a number", "1: a\n", 1],
    ["a date", "a: 2026-01-01\n", 1],
    ["a number with underscores", "a: 1_000\n", 1],
    ["half a character", 'a: "\\ud83d"\n', 1],
    ["a quote within a text in brackets", "a: [it's]\n", 1],
    ["a line's end of other systems", "a: b\nc: d\u2028e\n", 2],
    ["a value that goes on", "a: b\n  c\n", 2],
    ["a quoted value that goes on", 'a: "b\n  c"\n', 1],
    ["an item that goes on", "a:\n  - b\n    c\n", 3],
    ["a mapping in one line that is not closed", "a: { b: c\n", 1],
    ["a list in a list that is not closed", "a: [b, [c]\n", 1],
    ["text behind a list", "a: [b] c\n", 1],
    ["two values without a comma", 'a: ["b" c]\n', 1],
    ["a key twice in one line", "a: {b: c, b: d}\n", 1],
    ["a bracket that closes another", "a: [b}\n", 1],
    ["a list in several lines", "a: [b,\n  c]\n", 1],
    ["a comma at a list's end", "a: [b, ]\n", 1],
    ["a key twice", "a: b\nc: d\na: e\n", 3],
    ["a key twice in an item", "a:\n  - b: c\n    b: d\n", 3],
    ["an item's key that is indented otherwise", "a:\n  - b: c\n     d: e\n", 3],
    ["a key that is not text", "? a\n: b\n", 1],
    ["a second document", "a: b\n---\nc: d\n", 2],
    ["a directive", "%YAML 1.1\n", 1],
    ["a number with a leading zero", "a: 007\n", 1],
    ["a hexadecimal number", "a: 0x10\n", 1],
    ["infinity", "a: .inf\n", 1],
    ["a colon in a value", "a: b: c\n", 1],
    ["text behind a quote", 'a: "b" c\n', 1],
    ["an indented beginning", "  a: b\nc: d\n", 1],
    ["indentation that fits nothing", "a:\n    b: c\n  d: e\n", 3],
    ["a word alone", "a\n", 1],
  ])("refuses %s, with its line, as the operator's side does", async (_, text, line) => {
    expect(await refusalOf(read(text))).toContain(`Pulumi.web-1.yaml:${line}: `);
    const [problem] = parseStackYaml(text, "f").problems;
    expect(problem?.problem).toMatch(/: line \d+, column \d+: .+/);
  });

  it("reads what a program writes as the yaml library does, or refuses it, and never otherwise", async () => {
    const word = fc.oneof(
      fc.string(),
      fc.string({ unit: "grapheme" }),
      fc.constantFrom("", "yes", "1e3", "0x1", "~", "- a", "a: b", "# a"),
    );
    const value = fc.oneof(
      word,
      fc.boolean(),
      fc.constant(null),
      fc.nat(),
      fc.double(),
      fc.array(word, { maxLength: 3 }),
    );
    const key = fc.stringMatching(/^[a-zA-Z][a-zA-Z0-9:_-]{0,8}[a-z]$/);
    const inner = fc.dictionary(key, value, { maxKeys: 3 });
    const items = fc.array(fc.dictionary(key, value, { minKeys: 1, maxKeys: 3 }), { minLength: 1, maxLength: 3 });
    const settings = fc.dictionary(key, fc.oneof(value, inner, items), { maxKeys: 5 });
    const texts = fc.sample(settings, { numRuns: 500, seed: 7 }).map((each, index) => {
      const collectionStyle = index % 3 === 0 ? "flow" : "block";
      return new Document({ a: each })
        .toString({ lineWidth: 0, collectionStyle })
        .replace(/\n +/g, index % 3 === 0 ? " " : "$&");
    });
    const answers = await readAll(texts);
    const different = texts.filter((text, index) => {
      const answer = answers[index];
      const expected = rounded(JSON.stringify(parseDocument(text).toJS()));
      return answer?.success && !isDeepStrictEqual(answer.value, expected);
    });
    expect(different).toEqual([]);
    expect(answers.filter(({ success }) => success).length).toBeGreaterThan(40);
  });

  it("of made-up texts, takes those that the operator's side takes, with the same values, and no others", async () => {
    const word = fc.oneof(
      fc.string({ maxLength: 12 }),
      fc.string({ unit: "grapheme", maxLength: 12 }),
      fc.constantFrom(
        "a b",
        "::/0",
        "007",
        "~",
        "- a",
        "a: b",
        "it's",
        "b\nc",
        "b\n\n c\n",
        " b\nc\n\n",
        "a\tb",
        "# c",
        "<<",
      ),
    );
    const number = fc.oneof(fc.integer(), fc.constantFrom(1.5, -0.25, 1e30));
    const value = fc.oneof(word, number, fc.boolean(), fc.constant(null), fc.array(word, { maxLength: 3 }));
    const key = fc.oneof(fc.stringMatching(/^[a-z][a-z:]{0,8}$/), fc.constantFrom("a b", "on", "123", "it's"), word);
    const map = fc.dictionary(key, value, { minKeys: 1, maxKeys: 3 });
    const list = fc.array(fc.oneof(map, value, fc.array(map, { maxLength: 2 })), { minLength: 1, maxLength: 3 });
    const settings = fc.dictionary(key, fc.oneof(value, map, list), { minKeys: 1, maxKeys: 3 });
    const style = fc.record({
      collectionStyle: fc.constantFrom("any" as const, "block" as const, "flow" as const),
      defaultStringType: fc.constantFrom("PLAIN", "QUOTE_DOUBLE", "QUOTE_SINGLE", "BLOCK_LITERAL", "BLOCK_FOLDED"),
      defaultKeyType: fc.constantFrom("PLAIN" as const, "QUOTE_DOUBLE" as const, "QUOTE_SINGLE" as const),
      indentSeq: fc.boolean(),
      lineWidth: fc.constantFrom(0, 20),
    });
    const signs = [
      ": ",
      " #",
      "- ",
      "\t",
      "'",
      '"',
      "{",
      "}",
      "[",
      "]",
      ", ",
      "|",
      "|+",
      "|2-",
      ">",
      "\\x41",
      "\\",
      "? ",
    ];
    const others = ["&a ", "!x ", ":", "#", "-", "0", "_", ".", "e", "<<: ", "*", "a", "~", "null", " ", "  ", "\n\n"];
    const ends = ["\n", "\n  ", "\n    ", "\n- ", "\n# c", "\r\n", "\r", "---\n", "\u0085", "\u2028", "\ufeff"];
    const piece = fc.constantFrom("", ...signs, ...others, ...ends);
    const edits = fc.array(fc.record({ at: fc.nat(10_000), cut: fc.constantFrom(0, 0, 1, 3), piece }), {
      maxLength: 4,
    });
    const texts = fc
      .sample(fc.tuple(settings, style, edits, fc.boolean()), { numRuns: 2500, seed: 27 })
      .map(([each, options, changes, isOnOneLine]) => {
        const { defaultStringType, ...rest } = options;
        const written = new Document(each).toString({ ...rest, defaultStringType: defaultStringType as "PLAIN" });
        const nested = isOnOneLine ? ` ${written.replace(/\n */g, " ")}\n` : `\n${written.replace(/^(?=.)/gm, "  ")}`;
        return changes.reduce((text, { at, cut, piece }) => {
          const place = at % (text.length + 1);
          return text.slice(0, place) + piece + text.slice(place + cut);
        }, `config:${nested}`);
      })
      .filter((text) => text.isWellFormed() && !text.includes("\0"));
    const answers = await readAll(texts);
    const different = texts.filter((text, index) => {
      const { document } = parseStackYaml(text, "f");
      const answer = answers[index];
      if (!document) return answer?.success;
      return !answer?.success || !isDeepStrictEqual(answer.value, rounded(JSON.stringify(document.toJS())));
    });
    expect(different).toEqual([]);
    expect(answers.filter(({ success }) => success).length).toBeGreaterThan(200);
    // What `init` adds to goes on being read.
    const rewritten = texts.flatMap((text) => {
      const { document } = parseStackYaml(text, "f");
      return document?.contents ? document.toString(writing) : [];
    });
    expect(rewritten.flatMap((text) => parseStackYaml(text, "f").problems)).toEqual([]);
  }, 120_000);

  const full = `${stackFile}  clawdlets:bots: [maren, sonja]
  clawdlets:secrets:
    - openai
  clawdlets:tailnet: none
  clawdlets:tailnetLoginServer: https://headscale.example.com
  clawdlets:tailnetTags: [tag:bot-host]
  clawdlets:sshExposure: public
  clawdlets:flakeHost: other
  clawdlets:install:
    disk: /dev/vda
    deadlines: { }
    substituters: ["https://nix-community.cachix.org"]
`;

  it.each([
    ["the defaults", stackFile],
    ["everything the host needs to know", full],
    ["an ARM server type", stackFile.replace("cx43", "cax21")],
    ["lists as JSON text", `${stackFile}  clawdlets:bots: '["maren","sonja"]'\n`],
    ["maps as JSON text", `${stackFile}  clawdlets:install: '{"disk":"/dev/vda"}'\n`],
    [
      "keys of systems and of binary caches",
      `${stackFile}  clawdlets:systemKeys: ["${nixKey}"]\n  clawdlets:install: {substituters: [https://cache.example.com], trustedPublicKeys: ["${nixKey}"]}\n`,
    ],
    [
      "a rebuild from a branch",
      `${stackFile}  clawdlets:rebuild: {repository: github:you/hosts, branch: production}\n`,
    ],
    [
      "a rebuild as JSON text",
      `${stackFile}  clawdlets:rebuild: '{"enabled":"false","repository":"github:you/hosts"}'\n`,
    ],
    [
      "backups, but not how old they may be, which the operator's side checks",
      `${stackFile}  clawdlets:backups: {repository: "s3:https://s3.example.com/bots/web-1", maxAgeHours: 48}\n`,
    ],
    ["a window that is kept open", `${stackFile}  clawdlets:sshExposure: bootstrap\n`],
  ])("takes from a stack file what the operator's side takes: %s", async (_, text) => {
    const layout = project({ stackFile: text });
    const { value, problems } = readStackFile(layout, "clawdbot-fleet-host");
    expect(problems).toEqual([]);
    const { adminSshKeys, bots, secrets, sshExposure, tailnet, tailnetTags } = value ?? {};
    const { flakeHost = null, tailnetLoginServer = null } = value ?? {};
    const { install } = value ?? {};
    const set = (["substituters", "trustedPublicKeys"] as const).filter((key) => text.includes(`${key}:`));
    const caches = Object.fromEntries(set.map((key) => [key, install?.[key]]));
    const { enabled, repository = null, branch } = value?.rebuild ?? {};
    // Left out, it is the module's default, which is the operator's side's too.
    const disk = /disk"?:/.test(text) ? value?.install.disk : null;
    const facts = await evaluate(`(import ./nix/lib/stacks.nix).read "Pulumi.web-1.yaml" ${nixString(text)}`);
    expect(facts).toEqual({
      system: nixSystemOf(value?.serverType ?? ""),
      ...{ adminSshKeys, bots, disk, secrets, sshExposure, flakeHost },
      ...{ tailnet, tailnetLoginServer, tailnetTags, rebuild: { enabled, repository, branch } },
      ...{ systemKeys: value?.systemKeys, caches },
      backups: value?.backups ? { repository: value.backups.repository } : {},
    });
  });

  it.each([
    ["sshExposure", "open", `allowed: "tailnet" or "public" or "bootstrap"`],
    ["tailnet", "wireguard", `allowed: "tailscale" or "headscale" or "none"`],
    ["bots", "maren", "clawdlets:bots is not a list of strings"],
  ])("refuses a %s of %j, as the operator's side does", async (key, value, message) => {
    const text = `config:\n  clawdlets:${key}: ${value}\n`;
    expect(await refusalOf(`(import ./nix/lib/stacks.nix).read "f" ${nixString(text)}`)).toContain(message);
    expect(checkStackConfig({ [key]: value }, "f").problems.map(({ setting }) => setting)).toContain(
      `clawdlets:${key}`,
    );
  });
});
