import { readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import ts from "typescript";

/**
 * The package's public API as Markdown: every export with its documentation, inputs or outputs, types and defaults. Uses the
 * TypeScript compiler, so that it matches what a user's editor shows.
 */
export function apiReference(root: string): string {
  const entry = join(root, "components", "index.ts");
  const config = ts.readConfigFile(join(root, "tsconfig.json"), (file) => readFileSync(file, "utf8"));
  const { options } = ts.parseJsonConfigFileContent(config.config, ts.sys, root);
  const program = ts.createProgram([entry], { ...options, noEmit: true });
  const checker = program.getTypeChecker();
  const source = program.getSourceFile(entry);
  const module = source && checker.getSymbolAtLocation(source);
  if (!module) throw new Error(`${entry} exports nothing`);
  const names = checker
    .getExportsOfModule(module)
    .map((symbol) => (symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol))
    .sort((left, right) => left.name.localeCompare(right.name, "en"));
  const undocumented: string[] = [];
  const sections = names.map((symbol) => sectionOf(symbol, checker, root, undocumented));
  if (undocumented.length > 0) throw new Error(`no documentation for: ${undocumented.join(", ")}`);
  return `# API reference

Generated from the sources by \`npm run api\`; a test checks that it is up to date. Anything that is not listed here is not public.

\`\`\`ts
import {
  ${names
    .filter(({ flags }) => flags & ts.SymbolFlags.Value)
    .map(({ name }) => name)
    .join(",\n  ")},
} from "@clawdlets/infra";
\`\`\`

${sections.join("\n")}`;
}

function sectionOf(symbol: ts.Symbol, checker: ts.TypeChecker, root: string, undocumented: string[]): string {
  const declaration = symbol.declarations?.[0];
  if (!declaration) throw new Error(`${symbol.name} has no declaration`);
  const file = relative(root, declaration.getSourceFile().fileName);
  const lines = [`## ${symbol.name}`, "", documentationOf(symbol, checker, undocumented, symbol.name), ""];
  if (ts.isFunctionDeclaration(declaration) || ts.isTypeAliasDeclaration(declaration)) {
    lines.push("```ts", signatureOf(declaration), "```", "");
  }
  const members = membersOf(declaration, checker);
  if (members.length > 0) {
    lines.push("| name | type | what |", "| --- | --- | --- |");
    for (const [name, type, member] of members) {
      const what = documentationOf(member, checker, undocumented, `${symbol.name}.${name}`);
      lines.push(`| \`${name}\` | \`${cell(type)}\` | ${cell(what)} |`);
    }
    lines.push("");
  }
  lines.push(`Source: [${file}](../${file})`, "");
  return lines.join("\n");
}

type Member = [name: string, type: string, symbol: ts.Symbol];

/** The outputs of a component, or all properties of an interface. Without those of Pulumi's own classes. */
function membersOf(declaration: ts.Declaration, checker: ts.TypeChecker): Member[] {
  if (!ts.isClassDeclaration(declaration) && !ts.isInterfaceDeclaration(declaration)) return [];
  return declaration.members.flatMap((member): Member[] => {
    if (!ts.isPropertyDeclaration(member) && !ts.isPropertySignature(member)) return [];
    if (!ts.isIdentifier(member.name) || !member.type) return [];
    const symbol = checker.getSymbolAtLocation(member.name);
    if (!symbol) return [];
    return [[`${member.name.text}${member.questionToken ? "?" : ""}`, member.type.getText(), symbol]];
  });
}

function documentationOf(symbol: ts.Symbol, checker: ts.TypeChecker, undocumented: string[], name: string): string {
  const text = ts.displayPartsToString(symbol.getDocumentationComment(checker)).trim();
  if (text === "") undocumented.push(name);
  // `@see` is for readers of the source.
  const told = symbol.getJsDocTags(checker).filter(({ name: tag }) => tag !== "see");
  const tags = told.map(({ name: tag, text: parts }) => {
    const words = { default: "Default", throws: "Throws", returns: "Returns", param: "Parameter" }[tag] ?? tag;
    return `${words}: ${ts.displayPartsToString(parts).trim().replace(/^-\s*/, "")}.`.replace(/\.\.$/, ".");
  });
  return [text, ...tags]
    .join(" ")
    .replaceAll(/\{@link (\w+)\s*\}/g, "`$1`")
    .replaceAll(/\s+/g, " ");
}

function signatureOf(declaration: ts.FunctionDeclaration | ts.TypeAliasDeclaration): string {
  const text = declaration.getText().replace(/^export /, "");
  return ts.isFunctionDeclaration(declaration) && declaration.body
    ? text.slice(0, declaration.body.getStart() - declaration.getStart() - "export ".length).trim()
    : text;
}

const cell = (text: string) => text.replaceAll("|", "\\|").replaceAll(/\s+/g, " ");

/** Folder of the project. */
export const projectRoot = resolve(dirname(new URL(import.meta.url).pathname), "../..");
