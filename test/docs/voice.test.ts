import { readFileSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import { beforeAll, describe, expect, it } from "vitest";
import { repository } from "../_repository.ts";

/** Archaic or unidiomatic phrases. Write: fix, from scratch, anyone who, on its own, is not a, check, pass --yes, overwrite, roll back. */
const banned: Readonly<Record<string, RegExp>> = {
  mend: /\bmend(?:s|ed|ing)?\b/i,
  anew: /\banew\b/i,
  whoever: /\bwhoever\b/i,
  somebody: /\bsomebody\b/i,
  "by itself": /\bby itself\b/i,
  "is no X": /(?<!\bthere )\b(?:is|are|was) no (?!longer\b|more\b|less\b|fewer\b)[a-z]/i,
  "is none": /(?<!\bthere )\b(?:is|are|was) none\b(?! of (?:the|our|its))/i,
  "look at": /\blook(?:s|ed|ing)? (?:at|whether)\b/i,
  "say --": /\bsay(?:s|ing)? --/i,
  "put in place of": /\bput in (?:the )?place of\b/i,
  "has to be had": /\b(?:has|have) to be had\b/i,
  "set right": /\bset right\b/i,
  "taken back": /\b(?:is|are|was|were) taken back\b/i,
  "has not the": /\b(?:has|have) not (?:the|a|an)\b/i,
  "any but none": /\bany \w+ but none\b/i,
  "for want of": /\bfor want of\b/i,
};

/** Quotations of others, and the words themselves where they are the subject. */
const allowed = new Set(["test/docs/voice.test.ts", "CONTRIBUTING.md", "CHANGELOG.md"]);

/** Written by others, or by programs. */
const isForeign = (file: string) =>
  /(?:^|\/)(?:go\.sum|.*lock(?:\.json)?|openapi\.json|.*\.tfstate)$|^LICENSE$/.test(file);

/** A comment's line breaks and leading marks are spaces: "is\n * no" is the same phrase as "is no". */
const plain = (text: string) => text.replace(/\s*\n\s*(?:\*|\/\/|#)?\s*/g, " ");

const hits: string[] = [];

beforeAll(async () => {
  const listed = await execa("git", ["ls-files", "--cached", "--others", "--exclude-standard"], { cwd: repository });
  for (const file of listed.stdout.split("\n")) {
    if (allowed.has(file) || isForeign(file)) continue;
    const text = readFileSync(join(repository, file), "utf8");
    const found = file.endsWith(".md") ? text.replace(/^>.*$/gm, "") : text;
    for (const [words, pattern] of Object.entries(banned)) {
      for (const { index } of plain(found).matchAll(new RegExp(pattern, "gi"))) {
        const around = plain(found).slice(Math.max(0, index - 30), index + 40);
        hits.push(`${file}: ${words}: …${around}…`);
      }
    }
  }
});

describe("sources, comments, help, tests and docs", () => {
  it("use none of the words that the glossary replaces", () => {
    expect(hits).toEqual([]);
  });

  it.each([
    ["Mend it", "mend"],
    ["the file is\n * no list", "is no X"],
    ["Say --yes to go on", "say --"],
    ["the host goes back by\n// itself", "by itself"],
    ["it was looked at", "look at"],
  ])("are found in %j", (text, words) => {
    expect(banned[words]?.test(plain(text))).toBe(true);
  });

  it.each(["there is no server", "is no longer open", "recommend amends", "there are none", "renewed"])(
    "may say %j",
    (text) => {
      const found = Object.entries(banned).filter(([, pattern]) => pattern.test(text));
      expect(found).toEqual([]);
    },
  );
});
