import { createHash } from "node:crypto";
import { mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import { type Report, ToolchainError } from "./errors.ts";
import { timed } from "./install.ts";
import type { ToolchainPaths } from "./paths.ts";
import { digests, type PluginName, pins, platform, plugins } from "./pins.ts";

/** A download and its expected digest. */
interface Download {
  url: string;
  /** Undefined: no digest is pinned, so it is not downloaded. */
  sha256: string | undefined;
}

/** Pulumi's own downloads, and those of sops. @see https://www.pulumi.com/docs/install/versions */
export interface OfficialSource {
  pulumi: Download;
  sops: Download;
  /** SHA-256 of the archives; the engine decides where to download them from. */
  plugins: Readonly<Record<PluginName, string | undefined>>;
}

export function officialSource(): OfficialSource {
  const [system, cpu] = platform.split("-");
  const release = (project: string, version: string) => `https://github.com/${project}/releases/download/v${version}`;
  return {
    pulumi: {
      url: `${release("pulumi/pulumi", pins.pulumi)}/pulumi-v${pins.pulumi}-${platform}.tar.gz`,
      sha256: digests.pulumi[platform],
    },
    sops: {
      url: `${release("getsops/sops", pins.sops)}/sops-v${pins.sops}.${system}.${cpu === "x64" ? "amd64" : cpu}`,
      sha256: digests.sops[platform],
    },
    plugins: {
      hcloud: digests.hcloud[platform],
      random: digests.random[platform],
      command: digests.command[platform],
    },
  };
}

/** Whether the engine can be downloaded: its digest is pinned, and its server answers within three seconds. */
export async function officialAnswers({ pulumi }: OfficialSource): Promise<boolean> {
  if (pulumi.sha256 === undefined) return false;
  try {
    return (await fetch(pulumi.url, { method: "HEAD", signal: AbortSignal.timeout(3000) })).ok;
  } catch {
    return false; // For whatever reason: it can still be built.
  }
}

/**
 * Installs the official engine, and the plugins with a pinned digest. The engine's own command downloads and verifies those; the others
 * are built.
 */
export function installOfficial(
  paths: ToolchainPaths,
  { pulumi, plugins: sums }: OfficialSource,
  report: Report,
  signal: AbortSignal,
): Promise<void> {
  const install = async () => {
    const unpacked = join(paths.work, "official");
    rmSync(unpacked, { recursive: true, force: true });
    mkdirSync(unpacked, { recursive: true });
    const file = join(unpacked, "archive.tar.gz");
    writeFileSync(file, await checked(pulumi, signal));
    await execa("tar", ["-xzf", file, "-C", unpacked], { cancelSignal: signal });
    rmSync(paths.bin, { recursive: true, force: true });
    renameSync(join(unpacked, "pulumi"), paths.bin);
    const env = { PULUMI_HOME: paths.home, PULUMI_SKIP_UPDATE_CHECK: "true" };
    for (const plugin of plugins) {
      const sum = sums[plugin];
      if (sum === undefined) continue;
      const args = ["plugin", "install", "resource", plugin, pins[plugin], "--checksum", sum];
      const { exitCode, all } = await execa(join(paths.bin, "pulumi"), args, {
        env,
        reject: false,
        all: true,
        cancelSignal: signal,
      });
      if (exitCode !== 0) throw failed(`The official plugin ${plugin} ${pins[plugin]}`, all.trim().slice(-300));
    }
  };
  return timed("pulumi", report, install, "official download");
}

export function installOfficialSops(
  paths: ToolchainPaths,
  { sops }: OfficialSource,
  report: Report,
  signal: AbortSignal,
): Promise<void> {
  const install = async () => {
    const file = join(paths.work, "sops");
    writeFileSync(file, await checked(sops, signal), { mode: 0o755 });
    renameSync(file, join(paths.bin, "sops"));
  };
  return timed("sops", report, install, "official download");
}

/** Downloads the file and verifies its digest. */
async function checked({ url, sha256 }: Download, signal: AbortSignal): Promise<Buffer> {
  if (sha256 === undefined) {
    throw new ToolchainError(
      "official",
      `No digest is pinned for ${url}, so it is not downloaded. Build from source: CLAWDLETS_ENGINE=build`,
    );
  }
  const options = { signal: AbortSignal.any([signal, AbortSignal.timeout(600_000)]) };
  const response = await fetch(url, options).catch((error: unknown) => {
    if (signal.aborted) throw error;
    throw failed(url, String(error instanceof Error && error.cause ? error.cause : error));
  });
  if (!response.ok) throw failed(url, `HTTP ${response.status}`);
  const file = Buffer.from(await response.arrayBuffer());
  const found = createHash("sha256").update(file).digest("hex");
  if (found === sha256) return file;
  throw new ToolchainError(
    "official",
    `${url} has the SHA-256 ${found}, but toolchain/pins.ts expects ${sha256}. The download was discarded. Try again, or build from source: CLAWDLETS_ENGINE=build`,
  );
}

const failed = (what: string, why: string) =>
  new ToolchainError(
    "official",
    `Could not download ${what}: ${why}. Try again, or build from source: CLAWDLETS_ENGINE=build`,
  );
