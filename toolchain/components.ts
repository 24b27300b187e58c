import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type GoBuild, goBuild, runTool } from "./go.ts";
import { modfileWithOwnUser, ownUserHash } from "./own-user.ts";
import { pluginBinary, type ToolchainPaths } from "./paths.ts";
import { pins } from "./pins.ts";

/** A component that is built from source and installed with a rename. */
export interface Component {
  name: string;
  /** Path of the installed binary. */
  target: string;
  /** Changes when its sources do. */
  stamp: string;
  /** Writes the binary to `output`. */
  build: (output: string, go: GoBuild) => Promise<void>;
}

/** The version that the CLI and the language host report; the engine refuses a language host without a valid one. */
const versionFlag = `-X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=v${pins.pulumi}`;

/**
 * The engine. There are two Go modules, `.` and `bridge`, because of one conflict: the bridge's tfgen needs tablewriter 1, the CLI's
 * glamour 0.0.5. All other dependencies have the same version in both, so that Go's build cache is shared. The CLI is first because it
 * compiles most of them.
 */
export function componentsOf(paths: ToolchainPaths, sources: string): Component[] {
  const bridge = join(sources, "bridge");
  const own = (name: string, target: string, pkg: string, folders: string[]): Component => ({
    name,
    target,
    stamp: hashOf(sources, folders, pkg + versionFlag + ownUserHash(sources)),
    build: async (output, go) => {
      const modfile = await modfileWithOwnUser(go, { paths, sources, module: sources });
      await goBuild(go, { module: sources, pkg, output, ldflags: versionFlag, modfile });
    },
  });
  const bridged = (name: "hcloud" | "random"): Component => ({
    name,
    target: pluginBinary(paths, name),
    stamp: hashOf(bridge, [name, "ids", "tfgen", `plugin/${name}`], pins[name] + ownUserHash(sources)),
    build: (output, go) => buildBridged(go, { paths, sources, module: bridge, name, output }),
  });
  return [
    own("pulumi", join(paths.bin, "pulumi"), "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi", []),
    own("language-nodejs", join(paths.bin, "pulumi-language-nodejs"), "./nodejs", ["nodejs"]),
    own("command", pluginBinary(paths, "command"), "./command", ["command"]),
    sopsOf(paths, sources),
    bridged("hcloud"),
    bridged("random"),
  ];
}

const sopsOf = (paths: ToolchainPaths, sources: string): Component =>
  moduleComponent(sources, {
    name: "sops",
    target: join(paths.bin, "sops"),
    pkg: "github.com/getsops/sops/v3/cmd/sops",
    folders: [],
  });

/** The real age, which tests compare the host's handling of secrets with; nothing that we ship runs it. */
export function testToolsOf(paths: ToolchainPaths, sources: string): Component[] {
  const tool = (name: string) =>
    moduleComponent(sources, { name, target: join(paths.bin, name), pkg: `filippo.io/age/cmd/${name}`, folders: [] });
  return [tool("age"), tool("age-keygen")];
}

interface Own {
  name: string;
  target: string;
  pkg: string;
  /** Hash of our own Go files that it is built from. */
  folders: string[];
  /** @default the version of Pulumi that the engine's own parts report */
  ldflags?: string;
}

/** A program of one of our Go modules, or of what it requires. */
export function moduleComponent(module: string, { name, target, pkg, folders, ldflags = versionFlag }: Own): Component {
  return {
    name,
    target,
    stamp: hashOf(module, folders, pkg + ldflags),
    build: (output, go) => goBuild(go, { module, pkg, output, ldflags }),
  };
}

interface Bridged {
  paths: ToolchainPaths;
  sources: string;
  module: string;
  name: "hcloud" | "random";
  output: string;
}

/**
 * Builds a bridged provider: tfgen first writes its schema and metadata, which are then embedded. `go build -overlay` adds
 * them, so that there are no generated files among the sources.
 */
async function buildBridged(go: GoBuild, { paths, sources, module, name, output }: Bridged): Promise<void> {
  const tfgen = join(paths.work, "tfgen");
  await goBuild(go, { module, pkg: "./tfgen", output: tfgen, ldflags: "" });
  const generated = join(paths.work, `${name}-schema`);
  rmSync(generated, { recursive: true, force: true });
  mkdirSync(generated, { recursive: true });
  await runTool(go, tfgen, [name, "schema", "--skip-docs", "--out", generated], module);
  // tfgen omits the version, which is unknown when SDKs are generated; the published plugin has it.
  const schema = join(generated, "schema.json");
  writeFileSync(schema, JSON.stringify({ ...JSON.parse(readFileSync(schema, "utf8")), version: pins[name] }));
  const files = ["schema.json", "bridge-metadata.json"];
  const embedded = files.map((file) => [join(module, "plugin", name, file), join(generated, file)]);
  const overlay = join(paths.work, `${name}-overlay.json`);
  writeFileSync(overlay, JSON.stringify({ Replace: Object.fromEntries(embedded) }));
  const modfile = await modfileWithOwnUser(go, { paths, sources, module });
  await goBuild(go, { module, pkg: `./plugin/${name}`, output, ldflags: "", overlay, modfile });
}

/** Over the module's pins and the Go files of some of its folders. */
function hashOf(module: string, folders: string[], more: string): string {
  const hash = createHash("sha256").update(more);
  const add = (path: string) => hash.update(`\0${path}\0`).update(readFileSync(join(module, path)));
  for (const path of ["go.mod", "go.sum"]) add(path);
  for (const folder of folders) {
    const names = readdirSync(join(module, folder), { recursive: true, encoding: "utf8" }).sort();
    for (const name of names.filter((name) => /\.(go|mjs)$|(^|\/)go\.mod$/.test(name))) add(join(folder, name));
  }
  return hash.digest("hex");
}
