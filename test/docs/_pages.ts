import { readFileSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import GithubSlugger from "github-slugger";
import { lexer, type Token, type Tokens, walkTokens } from "marked";
import { repository } from "../_repository.ts";

/** A piece of a page that a reader copies. */
export interface Snippet {
  /** `docs/fleet.md:12`. */
  where: string;
  /** The fence's word; `sh` for what is indented, as that is always commands. */
  kind: string;
  text: string;
}

export interface Page {
  /** Path from the project's root. */
  file: string;
  snippets: Snippet[];
  /** Code within a sentence or a table. */
  spans: Snippet[];
  links: { where: string; href: string }[];
  /** What `#…` may name, as GitHub makes it of the headings. */
  anchors: Set<string>;
  /** Rows of all tables, each cell's tokens. */
  rows: Token[][][];
}

/** Every page that git has or would take, so that a new one cannot be forgotten. */
export async function allPages(): Promise<Page[]> {
  const asked = ["ls-files", "--cached", "--others", "--exclude-standard", "*.md"];
  const { stdout } = await execa("git", asked, { cwd: repository });
  return [...new Set(stdout.split("\n"))].sort().map((file) => readPage(file));
}

function readPage(file: string): Page {
  return pageOf(file, readFileSync(join(repository, file), "utf8"));
}

export function pageOf(file: string, text: string): Page {
  const slugger = new GithubSlugger();
  const page: Page = { file, snippets: [], spans: [], links: [], anchors: new Set(), rows: [] };
  const lines = text.split("\n");
  // The parser keeps no places; the first line from there on that has the text is where it stands.
  const whereOf = (part: string) => {
    const [first = ""] = part.split("\n");
    return `${file}:${lines.findIndex((line) => line.includes(first)) + 1}`;
  };
  // Of promises only where a callback makes some.
  void walkTokens(lexer(text), (token) => {
    if (token.type === "code") {
      const { text: code, lang, codeBlockStyle } = token as Tokens.Code;
      page.snippets.push({
        where: whereOf(code),
        kind: codeBlockStyle === "indented" ? "sh" : (lang ?? ""),
        text: code,
      });
    } else if (token.type === "codespan") {
      page.spans.push({ where: whereOf(token.raw), kind: "span", text: unescaped(token.text) });
    } else if (token.type === "link") page.links.push({ where: whereOf(token.raw), href: token.href });
    else if (token.type === "heading") page.anchors.add(slugger.slug(plain(token.tokens ?? [])));
    else if (token.type === "table")
      page.rows.push(...(token as Tokens.Table).rows.map((row) => row.map(({ tokens }) => tokens)));
  });
  return page;
}

/** A table's cell keeps the backslash of `\|`. */
const unescaped = (text: string) => text.replaceAll("\\|", "|");

const plain = (tokens: readonly Token[]): string =>
  tokens
    .map((token) => ("tokens" in token && token.tokens ? plain(token.tokens) : "text" in token ? token.text : ""))
    .join("");

/** The code spans of one table cell. */
export const codeIn = (cell: readonly Token[]): string[] =>
  cell.flatMap((token) =>
    token.type === "codespan" ? [unescaped(token.text)] : "tokens" in token ? codeIn(token.tokens ?? []) : [],
  );
