import { readFileSync, statSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { unpackTar } from "modern-tar";
import { messageOf, SettingsError } from "../../base/errors.ts";
import { parseJson } from "../../base/text/json.ts";

/** A build of this package that no registry has: the file that `npm pack` wrote. */
export interface PackageFile {
  /** Absolute. */
  path: string;
  version: string;
}

const maxBytes = 50 * 1024 * 1024;

/** Checks that a file is a packed `@clawdlets/infra`. @throws SettingsError */
export async function readPackageFile(path: string): Promise<PackageFile> {
  const refuse = (problem: string) =>
    new SettingsError([
      {
        code: "file-invalid",
        subject: path,
        setting: "--package",
        problem,
        fix: "Make it in a clone of clawdlets: npm run build && npm pack",
      },
    ]);
  const stat = statSync(path, { throwIfNoEntry: false });
  if (!stat?.isFile()) throw refuse(stat ? "is not a plain file." : "there is no such file.");
  if (stat.size > maxBytes) throw refuse(`has ${stat.size} bytes; allowed: ${maxBytes}.`);
  let manifest: unknown;
  try {
    const archive = gunzipSync(readFileSync(path), { maxOutputLength: 4 * maxBytes });
    const entries = await unpackTar(archive, { filter: ({ name }) => name === "package/package.json" });
    manifest = parseJson(Buffer.from(entries[0]?.data ?? []).toString("utf8"));
  } catch (error) {
    throw refuse(`is not a gzipped tar archive (${messageOf(error)}).`);
  }
  const { name, version } = (manifest ?? {}) as { name?: unknown; version?: unknown };
  if (name !== "@clawdlets/infra") throw refuse("is not a package of @clawdlets/infra.");
  if (typeof version !== "string" || !/^\d+\.\d+\.\d+[\w.+-]*$/.test(version)) throw refuse("has no version.");
  return { path, version };
}
