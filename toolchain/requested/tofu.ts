import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Component, moduleComponent } from "../components.ts";
import type { Report } from "../errors.ts";
import { findGo } from "../go.ts";
import { buildAll, isBuilt } from "../install.ts";
import { alone } from "../lock.ts";
import { toolchainPaths } from "../paths.ts";

/** The provider version that pins.hcloud wraps. Not part of the pins, which describe the engine. */
const providerVersion = "1.68.0";

/** OpenTofu with the provider that our plugin wraps, for `npm run bench` and the tests of `clawdlets adopt`. */
export interface Tofu {
  tofu: string;
  /** For TF_CLI_CONFIG_FILE: uses the provider from a local folder, and no registry. */
  config: string;
}

export interface TofuOptions {
  /** Project folder; both go to `.toolchain/tofu` in it. */
  root: string;
  /** Folder of the Go sources. */
  sources: string;
  report: Report;
  signal?: AbortSignal;
}

/**
 * Builds both from the Go module proxy, pinned by go.sum; the first time takes some minutes (4 min and 3.3 GB of Go's
 * caches on two cores from nothing; less after the engine, which shares much of them).
 * @throws ToolchainError with what to install or do
 */
export async function ensureTofu({ root, sources, report, signal }: TofuOptions): Promise<Tofu> {
  const paths = toolchainPaths(root);
  const folder = join(paths.root, "tofu");
  const components = componentsOf(folder, join(sources, "tofu"));
  await alone(paths, { report, signal }, async (stop) => {
    const missing = components.filter((component) => !isBuilt(paths, component));
    if (missing.length > 0) await buildAll(paths, missing, await findGo(paths, stop), report);
  });
  return { tofu: join(folder, "tofu"), config: writeConfig(folder) };
}

/** Whether both are built in the pinned versions, so that {@link ensureTofu} takes no time. */
export function isTofuBuilt({ root, sources }: Pick<TofuOptions, "root" | "sources">): boolean {
  const paths = toolchainPaths(root);
  const folder = join(paths.root, "tofu");
  return componentsOf(folder, join(sources, "tofu")).every((component) => isBuilt(paths, component));
}

/** Separate Go modules: OpenTofu needs its own fork of HCL, which the provider's newer version would replace. */
function componentsOf(folder: string, sources: string): Component[] {
  const module = (name: string, target: string, source: string, pkg: string) =>
    moduleComponent(join(sources, source), { name, target, pkg, folders: [] });
  const provider = join(mirrorOf(folder), `terraform-provider-hcloud_v${providerVersion}`);
  return [
    module("tofu", join(folder, "tofu"), "cli", "github.com/opentofu/opentofu/cmd/tofu"),
    module("tofu-hcloud", provider, "provider", "github.com/hetznercloud/terraform-provider-hcloud"),
  ];
}

/** Where OpenTofu looks in a filesystem mirror. */
function mirrorOf(folder: string): string {
  const cpu = process.arch === "x64" ? "amd64" : process.arch;
  const place = ["registry.opentofu.org", "hetznercloud", "hcloud", providerVersion];
  return join(folder, "mirror", ...place, `${process.platform}_${cpu}`);
}

function writeConfig(folder: string): string {
  const file = join(folder, "tofu.tfrc");
  mkdirSync(folder, { recursive: true });
  const mirror = JSON.stringify(join(folder, "mirror"));
  writeFileSync(
    file,
    `disable_checkpoint = true\nprovider_installation {\n  filesystem_mirror {\n    path = ${mirror}\n  }\n}\n`,
  );
  return file;
}
