import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { generateX25519Identity, identityToRecipient } from "age-encryption";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parse } from "yaml";
import { UserError } from "../../../../../core/base/errors.ts";
import { cleanEnvironment } from "../../../../../core/base/machine/environment.ts";
import { run } from "../../../../../core/base/machine/run.ts";
import {
  hostRuleRegex,
  recipientsOfHostRule,
  upsertHostRule,
} from "../../../../../core/project/secrets/sops/sops-config.ts";
import { temporaryFolder } from "../../../../_project.ts";
import fc from "../../../../_properties.ts";

const sops = join(process.cwd(), ".toolchain", "bin", "sops");
const sample = "hosts/web-1/x.yaml";
const pathRegex = hostRuleRegex("hosts/web-1");

/** Recipients: two that are wanted, one that was, one of another rule. */
let [a, b, old, other] = ["", "", "", ""];
const fresh = async () => identityToRecipient(await generateX25519Identity());
beforeAll(async () => {
  [a, b, old, other] = await Promise.all([fresh(), fresh(), fresh(), fresh()]);
});

const upsert = (text: string | undefined, recipients = [a, b]) =>
  upsertHostRule(text, { pathRegex, sample, recipients });

let runs = 0;
afterAll(() => console.log(`real sops: ${runs} encryptions`));

/** Whom the real sops encrypts `name` to with this config; none where it refuses. */
async function encryptedTo(config: string, name = sample): Promise<string[]> {
  runs++;
  const cwd = temporaryFolder();
  writeFileSync(join(cwd, ".sops.yaml"), config);
  const types = ["--input-type", "json", "--output-type", "yaml"];
  const args = ["--config", ".sops.yaml", "encrypt", ...types, "--filename-override", name];
  const result = await run(sops, args, { input: '{"x":"y"}', cwd, env: cleanEnvironment(), timeoutSeconds: 60 });
  // Not by place: with several groups each has its own list.
  return result.exitCode === 0 ? [...result.stdout.matchAll(/recipient: (age1\w+)/g)].map(([, each = ""]) => each) : [];
}

/** The keys by which the configs of the tests name recipients. */
const named = (config: string) =>
  config.replaceAll("OLD", old).replaceAll("OTHER", other).replaceAll("WANTED1", a).replaceAll("WANTED2", b);

describe("hostRuleRegex", () => {
  it.each([
    ["hosts/web-1", String.raw`(^|/)hosts/web-1/[^/]+\.yaml$`],
    ["hosts/web-1/", String.raw`(^|/)hosts/web-1/[^/]+\.yaml$`],
    ["./hosts/web-1", String.raw`(^|/)hosts/web-1/[^/]+\.yaml$`],
    ["../mine/web-1", String.raw`(^|/)mine/web-1/[^/]+\.yaml$`],
    ["h.o+s*t?s/(a)[b]{c}^$|\\", String.raw`(^|/)h\.o\+s\*t\?s/\(a\)\[b\]\{c\}\^\$\|\\/[^/]+\.yaml$`],
  ])("of %j is %s", (folder, regex) => expect(hostRuleRegex(folder)).toBe(regex));

  it.each([
    "hosts/web-1",
    "h.o+s*t?s/(a)[b]{c}^$|",
    "a b/#c: d",
    "ä/ü",
    "'q'/\"q\"",
    "- x",
    "{x}",
    "*x/&y",
    "!x",
    "%x",
  ])("is found by the real sops for the folder %j, and only there", async (folder) => {
    const rule = { pathRegex: hostRuleRegex(folder), sample: `${folder}/x.yaml`, recipients: [a, b] };
    const config = upsertHostRule(undefined, rule);
    expect(recipientsOfHostRule(config, rule.pathRegex)).toEqual([a, b]);
    expect(await encryptedTo(config, `${folder}/x.yaml`)).toEqual([a, b]);
    expect(await encryptedTo(config, `${folder}2/x.yaml`)).toEqual([]);
    expect(await encryptedTo(config, `${folder}/y/x.yaml`)).toEqual([]);
    expect(await encryptedTo(config, `${folder}/x.yml`)).toEqual([]);
  });
});

describe("upsertHostRule", () => {
  it.each([[undefined], [""], [" \n"]])("makes a whole file of %j", async (text) => {
    const config = upsert(text);
    expect(
      config,
    ).toBe(`# Who can decrypt the secrets in this folder; used by clawdlets and by sops itself. clawdlets writes one rule per host and
# keeps other rules, keys and comments unchanged. sops uses the first rule that matches.

creation_rules:
  - path_regex: (^|/)hosts/web-1/[^/]+\\.yaml$
    key_groups:
      - age:
          - ${a}
          - ${b}
`);
    expect(await encryptedTo(config)).toEqual([a, b]);
    expect(upsert(config)).toBe(config);
  });

  it("takes each recipient once", () => {
    expect(recipientsOfHostRule(upsert(undefined, [a, b, a]), pathRegex)).toEqual([a, b]);
  });

  it.each<[string, string, "before" | "after" | "as if new"]>([
    ["a catch-all alone", "creation_rules:\n  - age: OTHER\n", "before"],
    ["a catch-all with an empty regex", "creation_rules:\n  - path_regex: ''\n    age: OTHER\n", "before"],
    ["a catch-all with a regex of nothing", "creation_rules:\n  - path_regex:\n    age: OTHER\n", "before"],
    ["a rule for all hosts", "creation_rules:\n  - path_regex: ^hosts/\n    age: OTHER\n", "before"],
    ["a rule for another folder", "creation_rules:\n  - path_regex: ^notes/\n    age: OTHER\n", "after"],
    ["a rule for another host", "creation_rules:\n  - path_regex: (^|/)hosts/web-12/\n    age: OTHER\n", "after"],
    [
      "upstream's rule",
      "creation_rules:\n  - path_regex: (^|.*[\\\\/])secrets[\\\\/]hosts[\\\\/]web-1\n    age: OTHER\n",
      "after",
    ],
    ["a regex with a flag", "creation_rules:\n  - path_regex: (?i)^HOSTS/\n    age: OTHER\n", "before"],
    ["a regex with a POSIX class", "creation_rules:\n  - path_regex: ^[[:alpha:]]+/web\n    age: OTHER\n", "before"],
    ["a regex with Go's ends", "creation_rules:\n  - path_regex: '\\Ahosts/.*\\z'\n    age: OTHER\n", "before"],
    ["a regex in Go's quotes", "creation_rules:\n  - path_regex: '^\\Qhosts/web-1\\E'\n    age: OTHER\n", "before"],
    ["a regex with a Unicode class", "creation_rules:\n  - path_regex: '^\\pL+/'\n    age: OTHER\n", "before"],
    ["a regex that sops cannot read", "creation_rules:\n  - path_regex: (?=x)\n    age: OTHER\n", "before"],
    ["a regex that nobody can read", "creation_rules:\n  - path_regex: '['\n    age: OTHER\n", "before"],
    ["a number", "creation_rules:\n  - path_regex: 5\n    age: OTHER\n", "after"],
    ["a rule that is an alias", "x: &r\n  age: OTHER\ncreation_rules:\n  - *r\n", "before"],
    ["a regex that is an alias", "x: &r ^hosts/\ncreation_rules:\n  - path_regex: *r\n    age: OTHER\n", "before"],
    ["a merged regex", "x: &r {path_regex: ^hosts/}\ncreation_rules:\n  - <<: *r\n    age: OTHER\n", "before"],
    ["a list at the key's own column", "creation_rules:\n- age: OTHER\n", "before"],
    ["a wide list", "creation_rules:\n     -    age: OTHER\n          unencrypted_suffix: _x\n", "before"],
    ["a list in brackets", "creation_rules: [{path_regex: ^x, age: OTHER}, {age: OTHER}]\n", "before"],
    ["JSON", '{\n  "creation_rules": [\n    {"age": "OTHER"}\n  ]\n}\n', "before"],
    ["a comment in a rule", "creation_rules:\n  - # all else\n    age: OTHER\n", "before"],
    ["no end of line", "creation_rules:\n  - path_regex: ^x\n    age: OTHER", "after"],
    ["a folded regex at the end", "creation_rules:\n  - age: OTHER\n    path_regex: >-\n      ^x", "after"],
    [
      "other keys after the rules",
      "creation_rules:\n  - path_regex: ^x\n    age: OTHER\nstores:\n  yaml:\n    indent: 2\n",
      "after",
    ],
    ["CRLF", "creation_rules:\r\n  - path_regex: ^x\r\n    age: OTHER\r\n  - age: OTHER\r\n", "before"],
    ["a byte order mark", "\uFEFFcreation_rules:\n  - age: OTHER\n", "before"],
    ["an empty list", "# mine\ncreation_rules: []\n", "as if new"],
    ["rules of nothing", "# mine\ncreation_rules:\n", "as if new"],
    [
      "rules of nothing before other keys",
      "creation_rules: # none yet\nstores:\n  yaml:\n    indent: 2\n",
      "as if new",
    ],
    ["no rules", "stores: {yaml: {indent: 2}}\n", "as if new"],
    ["no rules and no end of line", "stores: {yaml: {indent: 2}}", "as if new"],
    ["comments alone", "# mine\n", "as if new"],
    ["the beginning of a document", "---\n# mine\n", "as if new"],
    ["an empty mapping", "{}\n", "as if new"],
    ["a mapping in braces", "{stores: {yaml: {indent: 2}}}\n", "as if new"],
  ])("adds a rule that the real sops finds, and keeps the rest: %s", async (_, template, place) => {
    const text = named(template);
    const config = upsert(text);
    expect(await encryptedTo(config)).toEqual([a, b]);
    expect(recipientsOfHostRule(config, pathRegex)).toEqual([a, b]);
    expect(upsert(config)).toBe(config);
    const rules: { path_regex?: string }[] = parse(config).creation_rules;
    const position = rules.findIndex(({ path_regex }) => path_regex === pathRegex);
    const wanted = { before: rules.length - 2, after: rules.length - 1, "as if new": 0 };
    expect(position).toBe(wanted[place]);
    expectOthersKept(text, config);
    if (template.includes("\r\n")) expect(config).not.toMatch(/[^\r]\n/);
  });

  it("leaves comments with the rule they stand above, and one blank line of several", () => {
    const text = named(`# heading

creation_rules:

  # notes, mine
  - path_regex: ^notes/
    age: OTHER # me

  # everything else
  # and more
  - age: 'OTHER'
    shamir_threshold: 1

# the end
`);
    const rule = named(`  - path_regex: (^|/)hosts/web-1/[^/]+\\.yaml$
    key_groups:
      - age:
          - WANTED1
          - WANTED2
`);
    const expected = text.replace("\n  # everything else\n", (lines) => `${rule}${lines}`);
    expect(upsert(text)).toBe(expected);
    expect(upsert(text.replaceAll(" # me", "   # me").replaceAll("\n\n", "\n\n\n\n"))).toBe(expected);
  });

  it("keeps the comment above the first rule with that rule", () => {
    const text = named("creation_rules:\n  # everything else\n  - age: OTHER\n");
    const [heading = "", comment = "", ...rest] = text.split("\n");
    expect(upsert(text)).toBe(
      [heading, ...upsert("creation_rules:\n").trimEnd().split("\n").slice(1), comment, ...rest].join("\n"),
    );
  });

  it("keeps JSON as JSON", () => {
    const text = named('{\n  "creation_rules": [\n    {\n      "age": "OTHER"\n    }\n  ]\n}\n');
    const config = JSON.parse(upsert(text));
    expect(config.creation_rules).toEqual([{ path_regex: pathRegex, key_groups: [{ age: [a, b] }] }, { age: other }]);
    expect(JSON.stringify({ creation_rules: config.creation_rules.slice(1) }, null, 2)).toBe(text.trimEnd());
  });

  const head = String.raw`creation_rules:
  - path_regex: (^|/)hosts/web-1/[^/]+\.yaml$`;

  it.each<[string, string, string]>([
    ["comma text", "\n    age: OLD,WANTED2\n", "\n    age: WANTED1,WANTED2\n"],
    ["quoted comma text", '\n    age: "OLD, OTHER" # who\n', '\n    age: "WANTED1,WANTED2" # who\n'],
    ["one recipient", "\n    age: OLD", "\n    age: WANTED1,WANTED2\n"],
    ["folded text", "\n    age: >-\n      OLD,\n      OTHER\n    x: 1\n", "\n    age: WANTED1,WANTED2\n    x: 1\n"],
    ["a list in brackets", "\n    age: [OLD,OTHER]\n", "\n    age: [WANTED1, WANTED2]\n"],
    ["nothing", "\n    age:\n    x: 1\n", "\n    age: WANTED1,WANTED2\n    x: 1\n"],
    ["null", "\n    age: ~ # x\n", "\n    age: WANTED1,WANTED2 # x\n"],
    [
      "a list with comments",
      "\n    age:\n      # host\n      - WANTED1 # new\n      # gone\n      - OLD # too\n      - OTHER\n    x: 1\n",
      "\n    age:\n      # host\n      - WANTED1 # new\n      - WANTED2\n    x: 1\n",
    ],
    [
      "a list whose first goes",
      "\n    age:\n      # gone\n      - OLD\n      # kept\n      - WANTED2",
      "\n    age:\n      # kept\n      - WANTED2\n      - WANTED1\n",
    ],
    [
      "key groups",
      "\n    key_groups:\n      - age:\n        - OLD\n        pgp:\n          - 85D7754\n",
      "\n    key_groups:\n      - age:\n          - WANTED1\n          - WANTED2\n        pgp:\n          - 85D7754\n",
    ],
    [
      "key groups without age",
      "\n    key_groups:\n      - pgp: [85D7754]\n",
      "\n    key_groups:\n      - pgp: [85D7754]\n        age: [WANTED1, WANTED2]\n",
    ],
    ["key groups in braces", "\n    key_groups: [{age: [OLD]}]\n", "\n    key_groups: [{age: [WANTED1, WANTED2]}]\n"],
    ["an empty key group", "\n    key_groups: [{}]\n", "\n    key_groups: [{age: [WANTED1, WANTED2]}]\n"],
    [
      "comma text in a group, which sops refuses",
      "\n    key_groups:\n      - age: OLD\n",
      "\n    key_groups:\n      - age: [WANTED1, WANTED2]\n",
    ],
    [
      "two groups",
      "\n    shamir_threshold: 2\n    key_groups:\n      - age: [OLD]\n      - age: [OTHER]\n",
      "\n    shamir_threshold: 2\n    key_groups:\n      - age: [WANTED1, WANTED2]\n      - age: [WANTED1, WANTED2]\n",
    ],
    [
      "merged groups",
      "\n    key_groups:\n      - merge:\n        - age: [OLD]\n        age: [OTHER]\n",
      "\n    key_groups:\n      - merge:\n          - age: [WANTED1, WANTED2]\n        age: [WANTED1, WANTED2]\n",
    ],
    [
      "both forms, of which sops reads the groups",
      "\n    age: OLD\n    key_groups:\n      - age: [OTHER]\n",
      "\n    age: WANTED1,WANTED2\n    key_groups:\n      - age: [WANTED1, WANTED2]\n",
    ],
    ["empty groups", "\n    age: OLD\n    key_groups: []\n", "\n    age: WANTED1,WANTED2\n    key_groups: []\n"],
    [
      "CRLF",
      "\r\n    age:\r\n      - OLD\r\n    x: 1\r\n",
      "\r\n    age:\r\n      - WANTED1\r\n      - WANTED2\r\n    x: 1\r\n",
    ],
  ])("replaces the recipients of our rule, and nothing else: %s", async (_, before, after) => {
    // Another rule after it, which stays as it is.
    const rest = before.endsWith("\n") ? "  # mine\n  - path_regex: ^notes/\n    age: 'OTHER' # me\n" : "";
    const withLineEnds = (text: string) => (before.includes("\r\n") ? text.replace(/\r?\n/g, "\r\n") : text);
    const config = upsert(named(withLineEnds(head + before + rest)));
    expect(config).toBe(named(withLineEnds(head + after + rest)));
    expect([...recipientsOfHostRule(config, pathRegex)].sort()).toEqual([a, b].sort());
    expect(upsert(config)).toBe(config);
    // gpg is not here.
    if (!before.includes("pgp")) expect([...new Set(await encryptedTo(config))].sort()).toEqual([a, b].sort());
  });

  it("gives keys to a rule that lost them", async () => {
    for (const rest of ["\n", "\n    unencrypted_suffix: _x\n  - age: OTHER\n"]) {
      const config = upsert(named(head + rest));
      expect(config).toBe(named(head + rest.replace(/^(\n {4}.*)?/, "$1\n    age: WANTED1,WANTED2")));
      expect(await encryptedTo(config)).toEqual([a, b]);
    }
    const inFlow = named(`creation_rules: [{path_regex: ${JSON.stringify(pathRegex)}}]\n`);
    expect(upsert(inFlow)).toBe(inFlow.replace("}", named(', age: "WANTED1,WANTED2"}')));
    expect(await encryptedTo(upsert(inFlow))).toEqual([a, b]);
  });

  it("keeps aliases of recipients that stay, and writes out one that stood for the list", async () => {
    const keys = "keys:\n  - &host WANTED1\n  - &gone OLD\n  - &all [OLD]\n";
    const list = `${keys}${head}\n    key_groups:\n      - age:\n          - *host\n          - *gone\n  - age: *all\n`;
    expect(recipientsOfHostRule(named(list), pathRegex)).toEqual([a, old]);
    const config = upsert(named(list));
    expect(config).toBe(named(list.replace("- *gone", "- WANTED2")));
    expect(await encryptedTo(config)).toEqual([a, b]);
    const whole = upsert(named(`${keys}${head}\n    key_groups:\n      - age: *all\n`));
    expect(whole).toBe(named(`${keys}${head}\n    key_groups:\n      - age: [WANTED1, WANTED2]\n`));
  });

  it("leaves a text alone that says what is wanted, in whatever order and form", () => {
    for (const age of ["age: WANTED2,WANTED1", "key_groups: [{age: [ WANTED2, WANTED1 ], pgp: []}]"]) {
      const text = named(`${head}\n    ${age}   # mine`);
      expect(upsert(text)).toBe(text);
    }
  });

  it.each<[string, string, string]>([
    ["text that is not YAML", "creation_rules: [", "not YAML: line 1, column 18"],
    ["two documents", "creation_rules: []\n---\ncreation_rules: []\n", "not YAML: line 2"],
    ["a key that stands twice", "creation_rules: []\ncreation_rules: []\n", "not YAML: line 2, column 1"],
    ["a list", "- a\n", ".sops.yaml: is not a mapping"],
    ["text", "hello\n", ".sops.yaml: is not a mapping"],
    ["rules that are a mapping", "creation_rules: {age: x}\n", "creation_rules: is not a list"],
    ["rules that are text", "creation_rules: x\n", "creation_rules: is not a list"],
    ["rules that are an alias", "x: &x []\ncreation_rules: *x\n", "creation_rules: is not a list"],
    ["a rule that is text", "creation_rules:\n  - age: x\n  - y\n", "creation_rules.1: is not a mapping"],
    ["a rule of nothing", "creation_rules:\n  -\n", "creation_rules.0: is not a mapping"],
    ["a rule that is a list", "creation_rules:\n  - - age: x\n", "creation_rules.0: is not a mapping"],
    ["depth", `creation_rules: ${"[".repeat(3000)}`, "nested too deeply"],
    ["an anchor in our rule", `${head}\n    age: &x [OLD]\n  - age: *x\n`, "creation_rules.0: has the anchor &x"],
    [
      "an anchor on our rule",
      head.replace("- path", "- &x\n    path").concat("\n    age: OLD\n  - *x\n"),
      "has the anchor &x",
    ],
    [
      "rules that others are made of",
      "creation_rules: &x\n  - age: OLD\nmore: *x\n",
      "creation_rules: has the anchor &x",
    ],
    ["an alias in our rule", `x: &x [{age: [OLD]}]\n${head}\n    key_groups: *x\n`, "has the alias *x"],
    ["a merge in our rule", `x: &x {age: [OLD]}\n${head}\n    <<: *x\n`, "has a merge key (<<)"],
  ])("refuses %s, changes nothing and quotes nothing", (_, template, message) => {
    const refused = catching(() => upsert(named(template)));
    expect(refused).toBeInstanceOf(UserError);
    expect(refused?.message).toContain(".clawdlets/secrets/.sops.yaml: ");
    expect(refused?.message).toContain(message);
    expect(refused?.message).not.toContain(old);
  });

  it.each(["010", "+5", "99999999999999999999"])(
    "refuses the number %s, which would be printed differently",
    (number) => {
      const refused = catching(() => upsert(`creation_rules:\n  - path_regex: ^x\n    shamir_threshold: ${number}\n`));
      expect(refused?.message).toContain("is laid out in a way that cannot be changed safely");
      expect(catching(() => upsert(`creation_rules:\n  - path_regex: ^x\n    name: '${number}'\n`))).toBeUndefined();
    },
  );

  it("refuses recipients that are invalid", () => {
    for (const recipients of [[], [""], ["age1x\n  - age1y"], ["AGE-SECRET-KEY-1QQ"], [`${a},${b}`]]) {
      const refused = catching(() => upsert(undefined, recipients));
      expect(refused).toBeInstanceOf(UserError);
      expect(refused?.message).not.toContain("SECRET-KEY");
    }
  });

  it("knows no recipients where there is no rule", () => {
    for (const text of [undefined, "", "creation_rules: []", "stores: {}", "creation_rules:\n  - age: x\n"]) {
      expect(recipientsOfHostRule(text, pathRegex)).toEqual([]);
    }
  });

  it("puts a rule where the real sops finds it, whatever rules there are", async () => {
    const regex = fc.constantFrom(
      ...[
        "",
        "^hosts/",
        "web-1",
        String.raw`\.yaml$`,
        "^notes/",
        ".*",
        "^x$",
        "hosts/web-[0-9]+/",
        "(?i)WEB",
        "^/",
        "s/w",
      ],
      ...[
        "[[:lower:]]+-",
        String.raw`^\w+/\w+-\d`,
        String.raw`\x68osts`,
        "(a|h)osts",
        "^hosts/web-2/",
        "[^/]+/[^/]+$",
        "(?s).x",
      ],
    );
    const layout = fc.record({
      indent: fc.constantFrom("", "  ", "    "),
      gap: fc.constantFrom("", "\n", "# x\n"),
      eol: fc.constantFrom("\n", "\r\n"),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(fc.option(regex), { maxLength: 5 }), layout, async (regexes, { indent, gap, eol }) => {
        const rule = (each: string | null) => {
          const key = each === null ? "age: OTHER" : `path_regex: '${each}'\n${indent}  age: OTHER`;
          return `${gap}${indent}- ${key}\n`;
        };
        const text = named(`creation_rules:\n${regexes.map(rule).join("")}`).replaceAll("\n", eol);
        const config = upsert(text);
        expect(await encryptedTo(config)).toEqual([a, b]);
        expectOthersKept(text, config);
        // What the other rules were for they still are, unless it was this host.
        if (regexes.length > 0)
          expect(await encryptedTo(config, "notes/x.txt")).toEqual(await encryptedTo(text, "notes/x.txt"));
      }),
      { numRuns: 60, endOnFailure: true },
    );
  }, 120_000);
});

/** Everything but our rule has the same content, order and comments. Written without the code under test. */
function expectOthersKept(text: string, config: string): void {
  const before = parse(text.replace(/^\uFEFF/, "")) ?? {};
  const after = parse(config.replace(/^\uFEFF/, ""));
  expect(Object.keys(after)).toEqual([...new Set([...Object.keys(before), "creation_rules"])]);
  const others = after.creation_rules.filter((rule: { path_regex?: unknown }) => rule.path_regex !== pathRegex);
  expect({ ...after, creation_rules: others }).toEqual({ ...before, creation_rules: before.creation_rules ?? [] });
  const commentsIn = (yaml: string) => yaml.match(/(?<![^\s])#.*/g) ?? [];
  expect(commentsIn(config)).toEqual(commentsIn(text));
}

function catching(work: () => unknown): Error | undefined {
  try {
    work();
    return undefined;
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}

it("refuses a first key that begins with a byte order mark, which a second reading would lose", () => {
  expect(() => upsert("? \uFEFF\n")).toThrow("cannot be changed safely");
  expect(upsert("\uFEFFstores: {}\n")).toContain("creation_rules");
});
