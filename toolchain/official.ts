import { createHash } from "node:crypto";
import { mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { execa } from "execa";
import { type Report, ToolchainError } from "./errors.ts";
import { timed } from "./install.ts";
import type { ToolchainPaths } from "./paths.ts";
import { pins, plugins } from "./pins.ts";

/** A download and the sums that its release publishes; a sum that we pinned ourselves we could not have checked. */
interface Download {
  url: string;
  sums: string;
  algorithm: "sha256" | "sha512";
}

/** Pulumi's own downloads, and those of sops. @see https://www.pulumi.com/docs/install/versions */
export interface OfficialSource {
  pulumi: Download;
  sops: Download;
}

export function officialSource(): OfficialSource {
  const system = process.platform === "darwin" ? "darwin" : "linux";
  const pulumi = `pulumi-v${pins.pulumi}-${system}-${process.arch === "arm64" ? "arm64" : "x64"}.tar.gz`;
  const sops = `sops-v${pins.sops}.${system}.${process.arch === "arm64" ? "arm64" : "amd64"}`;
  const sopsRelease = `https://github.com/getsops/sops/releases/download/v${pins.sops}`;
  return {
    pulumi: {
      url: `https://get.pulumi.com/releases/sdk/${pulumi}`,
      sums: `https://github.com/pulumi/pulumi/releases/download/v${pins.pulumi}/SHA512SUMS`,
      algorithm: "sha512",
    },
    sops: {
      url: `${sopsRelease}/${sops}`,
      sums: `${sopsRelease}/sops-v${pins.sops}.checksums.txt`,
      algorithm: "sha256",
    },
  };
}

/** Whether the download servers answer within three seconds. */
export async function officialAnswers({ pulumi, sops }: OfficialSource): Promise<boolean> {
  const looks = [pulumi.url, pulumi.sums, sops.sums].map(async (url) => {
    const response = await fetch(url, { method: "HEAD", signal: AbortSignal.timeout(3000) });
    return response.ok;
  });
  const answers = await Promise.allSettled(looks);
  return answers.every((answer) => answer.status === "fulfilled" && answer.value);
}

/** Installs the official engine and plugins. The plugins come by the engine's own command, as users get them. */
export function installOfficial(
  paths: ToolchainPaths,
  { pulumi }: OfficialSource,
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
      const args = ["plugin", "install", "resource", plugin, pins[plugin]];
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

/** The file, once it is seen to be what the release's sums say. */
async function checked({ url, sums, algorithm }: Download, signal: AbortSignal): Promise<Buffer> {
  const options = { signal: AbortSignal.any([signal, AbortSignal.timeout(600_000)]) };
  const get = async (address: string) => {
    const response = await fetch(address, options).catch((error: unknown) => {
      if (signal.aborted) throw error;
      throw failed(address, String(error instanceof Error && error.cause ? error.cause : error));
    });
    if (!response.ok) throw failed(address, `HTTP ${response.status}`);
    return Buffer.from(await response.arrayBuffer());
  };
  const [file, list] = await Promise.all([get(url), get(sums)]);
  const line = list
    .toString("utf8")
    .split("\n")
    .find(
      (text) =>
        text
          .trim()
          .split(/[\s*]+/)
          .at(-1) === basename(url),
    );
  if (line?.trim().split(/\s+/)[0] !== createHash(algorithm).update(file).digest("hex")) {
    throw new ToolchainError(
      "official",
      `${url} is not what ${sums} says. Nothing of it was used. Try again, or build from source: CLAWDLETS_ENGINE=build`,
    );
  }
  return file;
}

const failed = (what: string, why: string) =>
  new ToolchainError(
    "official",
    `${what} could not be downloaded: ${why}. Try again, or build from source: CLAWDLETS_ENGINE=build`,
  );
