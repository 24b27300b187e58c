import { createHash } from "node:crypto";
import { mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import { type Report, ToolchainError } from "./errors.ts";
import type { ToolchainPaths } from "./paths.ts";
import { pins, plugins } from "./pins.ts";

/** Pulumi's own downloads. @see https://www.pulumi.com/docs/install/versions */
export interface OfficialSource {
  archive: string;
  /** `SHA512SUMS` of the release. */
  sums: string;
}

export function officialSource(): OfficialSource {
  const architecture = process.arch === "arm64" ? "arm64" : "x64";
  const system = process.platform === "darwin" ? "darwin" : "linux";
  const file = `pulumi-v${pins.pulumi}-${system}-${architecture}.tar.gz`;
  return {
    archive: `https://get.pulumi.com/releases/sdk/${file}`,
    sums: `https://github.com/pulumi/pulumi/releases/download/v${pins.pulumi}/SHA512SUMS`,
  };
}

/** Whether Pulumi's download server answers within three seconds. */
export async function officialAnswers({ archive, sums }: OfficialSource): Promise<boolean> {
  const looks = [archive, sums].map(async (url) => {
    const response = await fetch(url, { method: "HEAD", signal: AbortSignal.timeout(3000) });
    return response.ok;
  });
  const answers = await Promise.allSettled(looks);
  return answers.every((answer) => answer.status === "fulfilled" && answer.value);
}

/** Installs the official engine and plugins, checked against the sums that the release publishes. */
export async function installOfficial(
  paths: ToolchainPaths,
  source: OfficialSource,
  report: Report,
  signal?: AbortSignal,
): Promise<void> {
  const startedAt = Date.now();
  const seconds = () => (Date.now() - startedAt) / 1000;
  report({ kind: "start", component: "pulumi", seconds: 0, text: "official download" });
  const timeout = AbortSignal.timeout(600_000);
  const options = { signal: signal ? AbortSignal.any([signal, timeout]) : timeout };
  const [archive, sums] = await Promise.all(
    [source.archive, source.sums].map(async (url) => Buffer.from(await (await fetch(url, options)).arrayBuffer())),
  );
  const name = source.archive.split("/").at(-1) ?? "";
  const wanted = sums
    ?.toString("utf8")
    .split("\n")
    .find((line) => line.trim().endsWith(name))
    ?.split(/\s+/)[0];
  if (archive === undefined || wanted !== createHash("sha512").update(archive).digest("hex")) {
    throw new ToolchainError(
      "official",
      `${source.archive} is not what ${source.sums} says. Nothing of it was used. Try again, or build from source: CLAWDLETS_ENGINE=build`,
    );
  }
  const unpacked = join(paths.work, "official");
  rmSync(unpacked, { recursive: true, force: true });
  mkdirSync(unpacked, { recursive: true });
  const file = join(unpacked, "archive.tar.gz");
  writeFileSync(file, archive);
  await execa("tar", ["-xzf", file, "-C", unpacked]);
  rmSync(paths.bin, { recursive: true, force: true });
  renameSync(join(unpacked, "pulumi"), paths.bin);
  for (const plugin of plugins) {
    const env = { PULUMI_HOME: paths.home, PULUMI_SKIP_UPDATE_CHECK: "true" };
    await execa(join(paths.bin, "pulumi"), ["plugin", "install", "resource", plugin, pins[plugin]], {
      env,
      ...(signal && { cancelSignal: signal }),
    });
  }
  mkdirSync(paths.stamps, { recursive: true });
  writeFileSync(join(paths.stamps, "official"), pins.pulumi);
  report({ kind: "done", component: "pulumi", seconds: seconds() });
}
