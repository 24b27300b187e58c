import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type GoBuild, goBuild, runTool } from "./go.ts";
import { pluginBinary, type ToolchainPaths } from "./paths.ts";
import { pins } from "./pins.ts";

/** One thing that is built from source and put in place by a rename. */
export interface Component {
  name: string;
  /** Where its binary ends up. */
  target: string;
  /** Changes when its sources do. */
  stamp: string;
  /** Writes the binary to `output`. */
  build: (output: string, go: GoBuild) => Promise<void>;
}

const version = "github.com/pulumi/pulumi/sdk/v3/go/common/version.Version";

/** Everything, in the order that makes each next one quicker: what they share is compiled once. */
export function componentsOf(paths: ToolchainPaths, sources: string, withSops: boolean): Component[] {
  const main = hashOf(join(sources));
  const bridge = hashOf(join(sources, "bridge"));
  const stamp = (hash: string) => hash;
  const flags = `-X ${version}=v${pins.pulumi}`;
  const own = (name: string, target: string, pkg: string): Component => ({
    name,
    target,
    stamp: stamp(main),
    build: (output, go) => goBuild(go, { module: sources, pkg, output, ldflags: flags }),
  });
  const bridged = (name: "hcloud" | "random"): Component => ({
    name,
    target: pluginBinary(paths, name),
    stamp: stamp(bridge),
    build: (output, go) => buildBridged(go, { paths, module: join(sources, "bridge"), name, output }),
  });
  return [
    own("pulumi", join(paths.bin, "pulumi"), "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi"),
    own("language-nodejs", join(paths.bin, "pulumi-language-nodejs"), "./nodejs"),
    own("command", pluginBinary(paths, "command"), "./command"),
    ...(withSops ? [own("sops", join(paths.bin, "sops"), "github.com/getsops/sops/v3/cmd/sops")] : []),
    bridged("hcloud"),
    bridged("random"),
  ];
}

interface Bridged {
  paths: ToolchainPaths;
  module: string;
  name: "hcloud" | "random";
  output: string;
}

/**
 * Builds a bridged provider: tfgen first writes its schema and metadata, which are then embedded. They go in by
 * `go build -overlay`, so that nothing generated lies between the sources.
 */
async function buildBridged(go: GoBuild, { paths, module, name, output }: Bridged): Promise<void> {
  const tfgen = join(paths.work, "tfgen");
  await goBuild(go, { module, pkg: "./tfgen", output: tfgen, ldflags: "" });
  const generated = join(paths.work, `${name}-schema`);
  rmSync(generated, { recursive: true, force: true });
  mkdirSync(generated, { recursive: true });
  await runTool(go, tfgen, [name, "schema", "--skip-docs", "--out", generated], module);
  const embedded = ["schema.json", "bridge-metadata.json"].map((file) => [
    join(module, "plugin", name, file),
    join(generated, file),
  ]);
  const overlay = join(paths.work, `${name}-overlay.json`);
  writeFileSync(overlay, JSON.stringify({ Replace: Object.fromEntries(embedded) }));
  await goBuild(go, { module, pkg: `./plugin/${name}`, output, ldflags: "", overlay });
}

/** Over the Go files of one module, not those of modules inside it. */
function hashOf(module: string): string {
  const hash = createHash("sha256");
  const visit = (folder: string): void => {
    for (const entry of readdirSync(folder, { withFileTypes: true }).sort((a, b) => a.name.localeCompare(b.name))) {
      const path = join(folder, entry.name);
      if (entry.isDirectory() && entry.name !== "bridge") visit(path);
      else if (/\.go$|^go\.(mod|sum)$/.test(entry.name)) hash.update(entry.name).update(readFileSync(path));
    }
  };
  visit(module);
  return hash.update(JSON.stringify(pins)).digest("hex");
}
