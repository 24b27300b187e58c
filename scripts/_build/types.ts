import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";

/** A relative import in a declaration file, which TypeScript emits with the source's extension. */
const neighbour = /((?:from|import\(|import)\s*")(\.{1,2}\/[^"]+?)\.ts"/g;

/**
 * Keeps the declarations that are reachable from the entries, with imports that resolve without the sources, and copies them to
 * `common`: the nearest package.json decides whether a declaration file is ESM or CommonJS.
 */
export function publishTypes(dist: string, common: string, entries: readonly string[]): void {
  const reached = new Set<string>();
  const visit = (file: string): void => {
    if (reached.has(file)) return;
    reached.add(file);
    const text = readFileSync(file, "utf8");
    for (const [, , path = ""] of text.matchAll(neighbour)) visit(resolve(dirname(file), `${path}.d.ts`));
    writeFileSync(file, text.replaceAll(neighbour, '$1$2.js"'));
  };
  for (const entry of entries) visit(join(dist, entry));
  for (const name of readdirSync(dist, { recursive: true, encoding: "utf8" })) {
    if (name.endsWith(".d.ts") && !reached.has(join(dist, name))) rmSync(join(dist, name));
  }
  for (const file of reached) {
    const copy = join(common, relative(dist, file));
    mkdirSync(dirname(copy), { recursive: true });
    cpSync(file, copy);
  }
}
