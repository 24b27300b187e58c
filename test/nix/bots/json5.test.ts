import JSON5 from "json5";
import { expect, it } from "vitest";
import { newConfig } from "../../../core/tasks/bots/new-config.ts";
import { describeWith } from "../../_needs.ts";
import fc from "../../_properties.ts";
import { evaluate, nix, nixString } from "../_nix.ts";

// By way of JSON: Nix' strings have no escape for a vertical tab, for one.
const parsed = async (texts: readonly string[]) =>
  await evaluate(
    `map ((import ./nix/lib/json5.nix).parse "f") (builtins.fromJSON ${nixString(JSON.stringify(texts))})`,
  );

const cases: readonly [string, string][] = [
  ["what bot add writes", newConfig("discord", "anthropic/claude-sonnet-4-6")],
  ["comments", "// a\n{ /* b: 1, */ c: 2, // d\r\n e: 3, /**/ f: 4 /* * / */ } // end"],
  ["comments that end in a backslash", "{ a: 1, // C:\\\n b: 2, /* \\*/ c: 3 }"],
  ["quotes and braces in comments", "{ a: 1, // it's \"\n /* } ' */ b: 2 }"],
  ["slashes in strings", `{ a: "https://x.example/*y*/", b: '// no', c: "\\//" }`],
  ["quotes in strings", `{ a: 'say "hi"', b: "it's", c: 'it\\'s', d: "\\"" }`],
  ["escapes", String.raw`{ a: "\b\f\n\r\t\v\\\/\q\x41\u00e9\"" }`],
  ["escaped letters of other alphabets", '{ a: "\\é", b: "\\\u{1f600}" }'],
  ["lines that go on", '{ a: "one\\\n two\\\r\n three\\\r four\\\u2028five" }'],
  ["raw separators and tabs in strings", '{ a: "\u2028\t\u2029" }'],
  ["trailing commas", "{ a: [1, 2,], b: { c: 1, }, }"],
  ["keys", "{ $a_1: 1, ключ: 2, null: 3, true: 4, Infinity: 5, 'two words': 6, \"\": 7, 'a:b': 8 }"],
  ["numbers", "[0, -0, +1, .5, 5., -5.25, 1e3, 2E-2, 5.e1, 0x1F, -0xff, 123456789012]"],
  ["spaces", "\ufeff{\u00a0a\v:\f1\u2028,\u2029b: 2 // x\u2028}"],
  ["the last of two equal keys", "{ a: 1, a: { b: 2 } }"],
  ["dollars as in a secret's name", "{ a: '${A} $${B}', b: \"''${C}\" }"],
  ["no object", "[null, true, 'a']"],
  ["nothing in it", "{}"],
];

describeWith({ programs: ["nix-instantiate"] }, "JSON5 in Nix", () => {
  it.each(cases)("reads %s as the library does", async (_, text) => {
    expect(await parsed([text])).toEqual([JSON.parse(JSON.stringify(JSON5.parse(text)))]);
  });

  it("reads made-up values, written in every style, as the library does", async () => {
    // Nix prints only six digits of a fraction.
    const { tree } = fc.letrec((tie) => ({
      tree: fc.oneof(
        { depthSize: "small" },
        fc.constantFrom(null, true, false, 0.5, -1.25),
        fc.integer(),
        fc.string({ unit: "grapheme" }),
        fc.array(tie("tree")),
        fc.dictionary(fc.string({ unit: "grapheme" }), tie("tree")),
      ),
    }));
    const seeds = fc.sample(fc.tuple(tree, fc.array(fc.nat(), { minLength: 40 })), { numRuns: 500, seed: 22 });
    const texts = seeds
      .map(([value, choices]) => styled(value, choices))
      .filter((each) => each.isWellFormed() && !/\0|\\u0000|\\0/.test(each));
    // An argument of a program has a limit.
    for (let at = 0; at < texts.length; at += 50) {
      const some = texts.slice(at, at + 50);
      expect(await parsed(some)).toEqual(some.map((each) => JSON.parse(JSON.stringify(JSON5.parse(each)))));
    }
    expect(texts.length).toBeGreaterThan(300);
  });

  it("names the file that it cannot read", async () => {
    const expression = `(import ./nix/lib/json5.nix).parse "bots/maren/openclaw.json" "{ a: }"`;
    const { stderr } = await nix("--eval", "--show-trace", "--expr", expression);
    expect(stderr).toContain("while reading bots/maren/openclaw.json as JSON5");
  });

  it.each(["{,}", "[,]", "[1,,]", "{ a: 'b\n' }", "{ a: b }", "{ a: 1 2 }", "{ a: 'b }", "{ a: 1", ""])(
    "refuses %j",
    async (text) => {
      await expect(parsed([text])).rejects.toThrow();
    },
  );
});

/** A value as JSON5, with comments, quotes and commas as the numbers choose. */
function styled(value: unknown, choices: readonly number[]): string {
  let at = 0;
  const one = (options: readonly string[]) => options[(choices[at++ % choices.length] ?? 0) % options.length] ?? "";
  const gap = () => one(["", " ", "\n", "/* x' */", '// y"\n', "\t"]);
  const quoted = (text: string) =>
    one(["double", "single"]) === "double"
      ? JSON.stringify(text)
      : `'${JSON.stringify(text).slice(1, -1).replaceAll('\\"', '"').replaceAll("'", "\\'")}'`;
  const write = (each: unknown): string => {
    if (typeof each === "string") return quoted(each);
    if (typeof each !== "object" || each === null) return JSON.stringify(each);
    const end = one(["", ","]);
    if (Array.isArray(each)) return list("[", each.map(write), "]", end);
    const entries = Object.entries(each).map(([key, inner]) => {
      const name = /^[a-z]+$/i.test(key) && one(["bare", "quoted"]) === "bare" ? key : quoted(key);
      return `${name}${gap()}:${gap()}${write(inner)}`;
    });
    return list("{", entries, "}", end);
  };
  const list = (open: string, items: string[], close: string, end: string) =>
    `${open}${items.map((item) => `${gap()}${item}${gap()}`).join(",")}${items.length > 0 ? end : ""}${gap()}${close}`;
  return `${gap()}${write(value)}${gap()}`;
}
