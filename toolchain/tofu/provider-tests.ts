import { mkdirSync, rmSync, symlinkSync } from "node:fs";
import { basename, join } from "node:path";
import { type Component, moduleComponent } from "../components.ts";
import { findGo, moduleFolder, runTool } from "../go.ts";
import { buildAll, isBuilt } from "../install.ts";
import { alone } from "../lock.ts";
import { toolchainPaths } from "../paths.ts";
import { ensureTofu, type Tofu, type TofuOptions } from "../tofu.ts";

const provider = "github.com/hetznercloud/terraform-provider-hcloud";

/** The acceptance tests of one package of the provider, compiled. */
export interface ProviderTests {
  name: string;
  program: string;
  /** Where the program has to run, with `PWD` set to this path: it looks for its templates from there. */
  folder: string;
}

/**
 * Builds the acceptance tests of Hetzner's Terraform provider, for `npm run conformance`: of the version that `tofu/provider` pins, from
 * the Go module proxy, and checked by its go.sum.
 * @param names packages below the provider's `internal/`
 * @throws ToolchainError with what to install or do
 */
export async function ensureProviderTests(
  options: TofuOptions,
  names: readonly string[],
): Promise<{ tofu: Tofu; tests: ProviderTests[] }> {
  const { root, sources, report, signal } = options;
  const tofu = await ensureTofu(options);
  const paths = toolchainPaths(root);
  const folder = join(paths.root, "tofu", "provider-tests");
  const pins = join(sources, "tofu", "provider");
  const tests = await alone(paths, { report, signal }, async (stop) => {
    const go = await findGo(paths, stop);
    const module = await moduleFolder(go, pins, provider);
    const components = names.map((name) => testsOf(name, { folder, module, pins }));
    const missing = components.filter((component) => !isBuilt(paths, component));
    await buildAll(paths, missing, go, report);
    const tree = layOut(join(folder, basename(module)), module);
    return components.map(({ target }, index) => ({
      name: names[index] ?? "",
      program: target,
      folder: join(tree, "internal", names[index] ?? ""),
    }));
  });
  return { tofu, tests };
}

/** The tests take the nearest folder above with a `.git` in it for the project's root, which a module in Go's cache has not. */
function layOut(tree: string, module: string): string {
  mkdirSync(join(tree, ".git"), { recursive: true });
  rmSync(join(tree, "internal"), { force: true });
  symlinkSync(join(module, "internal"), join(tree, "internal"));
  return tree;
}

function testsOf(name: string, { folder, module, pins }: { folder: string; module: string; pins: string }): Component {
  const target = join(folder, `${name}.test`);
  const pkg = `./internal/${name}`;
  return {
    ...moduleComponent(pins, { name: `provider-tests-${name}`, target, pkg, folders: [] }),
    // In the provider's own module, whose go.mod and go.sum have what only its tests need.
    build: async (output, go) => {
      await runTool(go, go.go, ["test", "-c", "-ldflags", "-s -w", "-o", output, pkg], module);
    },
  };
}
