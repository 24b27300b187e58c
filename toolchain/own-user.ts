import { createHash } from "node:crypto";
import { copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { ToolchainError } from "./errors.ts";
import { type GoBuild, moduleFolder } from "./go.ts";
import type { ToolchainPaths } from "./paths.ts";

const sdk = "github.com/pulumi/pulumi/sdk/v3";

/** Our package's path in the copy of the SDK. */
const added = "go/common/util/ownuser";

/** Every listening server in Pulumi's programs, by the line in 3.276.0 that starts it. */
const edits = [
  ["go/common/util/rpcutil/serve.go", "srv.Serve(lis)", "srv.Serve(ownuser.Only(lis))"],
  ["go/common/util/otelreceiver/receiver.go", "r.server.Serve(listener)", "r.server.Serve(ownuser.Only(listener))"],
  ["go/common/util/cmdutil/profile_unix.go", "http.Serve(listener, mux)", "http.Serve(ownuser.Only(listener), mux)"],
] as const;

const folderOf = (sources: string) => join(sources, "ownuser");
const goFiles = (sources: string) => readdirSync(folderOf(sources)).filter((name) => name.endsWith(".go"));

/** Hash of our additions to Pulumi's sources. */
export function ownUserHash(sources: string): string {
  const hash = createHash("sha256").update(JSON.stringify(edits));
  for (const name of goFiles(sources).sort()) {
    hash.update(`\0${name}\0`).update(readFileSync(join(folderOf(sources), name)));
  }
  return hash.digest("hex");
}

/**
 * Writes a go.mod like a module's own, but with a patched copy of Pulumi's SDK whose servers refuse other users of the machine
 * (`ownuser/`). A copy, because Go's overlays cannot replace files of the module cache; `go mod download` verified it against go.sum.
 * @returns path for `go build -modfile`
 * @throws ToolchainError if the SDK has changed: an engine without the check is never built
 */
export async function modfileWithOwnUser(
  go: GoBuild,
  { paths, sources, module }: { paths: ToolchainPaths; sources: string; module: string },
): Promise<string> {
  const work = join(paths.work, "own-user");
  rmSync(work, { recursive: true, force: true });
  const copy = join(work, "sdk");
  copySources(await moduleFolder(go, module, sdk), copy);
  for (const edit of edits) applyEdit(copy, edit);
  mkdirSync(join(copy, added));
  for (const name of goFiles(sources)) copyFileSync(join(folderOf(sources), name), join(copy, added, name));
  copyFileSync(join(module, "go.sum"), join(work, "go.sum"));
  const modfile = join(work, "go.mod");
  writeFileSync(
    modfile,
    `${readFileSync(join(module, "go.mod"), "utf8")}\nreplace ${sdk} => ${JSON.stringify(copy)}\n`,
  );
  return modfile;
}

/** Without tests, and without the module cache's modes, which would make the copy read-only. */
function copySources(from: string, to: string): void {
  for (const entry of readdirSync(from, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name).slice(from.length + 1);
    if (!entry.isFile() || entry.name.endsWith("_test.go") || path.split("/").includes("testdata")) continue;
    mkdirSync(dirname(join(to, path)), { recursive: true });
    writeFileSync(join(to, path), readFileSync(join(from, path)));
  }
}

function applyEdit(copy: string, [file, before, after]: (typeof edits)[number]): void {
  const text = readFileSync(join(copy, file), "utf8");
  if (text.split(before).length !== 2 || text.split("\nimport (\n").length !== 2) {
    throw new ToolchainError(
      "build",
      `${sdk}/${file} does not have "${before}" exactly once, so the check that keeps other users of this machine out of the engine could not be added. Change toolchain/own-user.ts to fit this version of Pulumi.`,
    );
  }
  const imported = text.replace("\nimport (\n", `\nimport (\n\t"${sdk}/${added}"\n`);
  writeFileSync(join(copy, file), imported.replace(before, after));
}
