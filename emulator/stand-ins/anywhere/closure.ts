import { createHash } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { execa } from "execa";
import { parse } from "yaml";
import { Exit } from "./exit.ts";

/** What stands for the outcome of a Nix build: the paths, and the files of a host that follow from its stack file. */
export interface Built {
  disko: string;
  system: string;
  hostname: string;
  adminKeys: string[];
  /** Whether the host's own firewall lets ssh in on its public addresses, as nix/lib/stacks.nix decides. */
  publicSsh: boolean;
  /** Where the stack file or hosts/<host>.nix turns `clawdlets.operator.rebuild` on: the flake's repository on this machine. */
  repository: string | null;
  /** `clawdlets:systemKeys`. */
  systemKeys: string[];
  /** By the server type in the stack file, as nix/lib/stacks.nix decides. */
  architecture: "x86_64-linux" | "aarch64-linux";
  /** What is wrong with this system, by a comment in hosts/<host>.nix: `# emulated: breaks sshd`. */
  breaks: string[];
}

const NIX_BASE32 = "0123456789abcdfghijklmnpqrsvwxyz";
const HASHED = ["flake.nix", "flake.lock", "nix"];
const ADMIN_KEYS = "clawdlets:adminSshKeys";

/** "Builds" `flake#attribute`. @throws Exit with Nix's own kind of complaint */
export async function build(flake: { uri: string; attribute: string }): Promise<Built> {
  const source = await openFlake(flake.uri);
  const stackFile = `stacks/Pulumi.${flake.attribute}.yaml`;
  const hostFile = `hosts/${flake.attribute}.nix`;
  const text = await source.read(stackFile);
  if (text === null) {
    throw new Exit(
      1,
      `error: flake '${flake.uri}' does not provide attribute 'nixosConfigurations."${flake.attribute}".config.system.build.toplevel'`,
    );
  }
  const hash = createHash("sha256")
    .update(await source.fingerprint([...HASHED, stackFile, hostFile]))
    .update(text);
  const digest = [...hash.digest().subarray(0, 32)].map((byte) => NIX_BASE32[byte % 32]).join("");
  return {
    disko: `/nix/store/${digest}-disko`,
    system: `/nix/store/${digest}-nixos-system-${flake.attribute}-26.05`,
    hostname: flake.attribute,
    ...hostFacts(text),
    ...moduleFacts((await source.read(hostFile)) ?? "", source.folder, rebuildOf(text)),
  };
}

/** Writes the system as a tree below `dir`, to be copied to the host's store. */
export async function writeClosure(built: Built, dir: string): Promise<void> {
  const system = join(dir, built.system);
  await mkdir(join(system, "etc/ssh/authorized_keys.d"), { recursive: true });
  await mkdir(join(system, "etc/clawdlets"), { recursive: true });
  await mkdir(join(system, "bin"), { recursive: true });
  const files: [path: string, content: string, mode: number][] = [
    ["etc/hostname", `${built.hostname}\n`, 0o444],
    ["etc/os-release", 'NAME=NixOS\nID=nixos\nVERSION_ID="26.05"\nPRETTY_NAME="NixOS 26.05 (emulated)"\n', 0o444],
    ["etc/ssh/authorized_keys.d/admin", built.adminKeys.map((key) => `${key}\n`).join(""), 0o444],
    ["etc/clawdlets/public-ssh", built.publicSsh ? "yes\n" : "no\n", 0o444],
    ["etc/clawdlets/system-keys", built.systemKeys.map((key) => `${key}\n`).join(""), 0o444],
    ["etc/clawdlets/breaks", built.breaks.join("\n"), 0o444],
    ["system", built.architecture, 0o444],
    ["bin/switch-to-configuration", `#!/bin/sh\nexec activate-system ${built.system} "$@"\n`, 0o555],
  ];
  if (built.repository !== null) files.push(["etc/clawdlets/repository", built.repository, 0o444]);
  for (const [path, content, mode] of files) await writeFile(join(system, path), content, { mode });
}

interface Source {
  folder: string;
  read(path: string): Promise<string | null>;
  /** Changes when one of the paths does. */
  fingerprint(paths: string[]): Promise<string>;
}

async function openFlake(uri: string): Promise<Source> {
  const [, scheme, address = "", rest = ""] = /^(git\+file:\/\/|path:)?([^?]*)(?:\?(.*))?$/.exec(uri) ?? [];
  if (scheme === undefined && address.includes(":")) {
    throw new Exit(1, `error: unable to download '${uri}': HTTP error 404 (the stand-in reads local git flakes only)`);
  }
  // What a URL's path may consist of (nix, src/libutil/url-parts.hh).
  if (scheme !== undefined && !/^[\w.~!$&'()*+,;=:@/%-]*$/.test(address)) {
    throw new Exit(1, `error: '${uri}' is not a valid URL`);
  }
  const query = new URLSearchParams(rest);
  const path = scheme === undefined ? address : decodeURIComponent(address);
  const folder = join(path || ".", query.get("dir") ?? "");
  const rev = query.get("rev") ?? query.get("ref");
  if (rev === null) return workingTree(folder);
  const git = (...args: string[]) => execa("git", ["-C", folder, ...args], { reject: false, stripFinalNewline: false });
  const known = await git("rev-parse", "--verify", "--quiet", `${rev}^{commit}`);
  if (known.exitCode !== 0) throw new Exit(1, `error: cannot find Git revision '${rev}' in repository '${folder}'`);
  return {
    folder,
    read: async (path) => {
      const output = await git("show", `${rev}:./${path}`);
      return output.exitCode === 0 ? output.stdout : null;
    },
    fingerprint: async (paths) => (await git("ls-tree", rev, "--", ...paths)).stdout,
  };
}

/** A plain path: what git tracks, as it is on disk now, as Nix takes it. */
function workingTree(folder: string): Source {
  const read = async (path: string): Promise<string | null> => {
    const tracked = await execa("git", ["-C", folder, "ls-files", "--error-unmatch", "--", path], { reject: false });
    return tracked.exitCode === 0 ? await readFile(join(folder, path), "utf8") : null;
  };
  return {
    folder,
    read,
    fingerprint: async (paths) => {
      const listed = await execa("git", ["-C", folder, "ls-files", "--", ...paths], { reject: false });
      const files = listed.stdout.split("\n").filter((path) => path !== "");
      return (await Promise.all(files.map(async (path) => `${path}\0${await read(path)}`))).join("\0");
    },
  };
}

function hostFacts(stackYaml: string): Pick<Built, "adminKeys" | "publicSsh" | "systemKeys" | "architecture"> {
  const config = configOf(stackYaml);
  // `pulumi config set --path` writes a list; without it a JSON text.
  const listAt = (key: string): string[] => {
    const value = config[key];
    const list: unknown = typeof value === "string" && value.startsWith("[") ? parse(value) : value;
    return Array.isArray(list) ? list.filter((each) => typeof each === "string") : [];
  };
  const exposure = config["clawdlets:sshExposure"] ?? "tailnet";
  return {
    adminKeys: listAt(ADMIN_KEYS),
    publicSsh: exposure !== "tailnet" || config["clawdlets:tailnet"] === "none",
    systemKeys: listAt("clawdlets:systemKeys"),
    architecture: String(config["clawdlets:serverType"]).startsWith("cax") ? "aarch64-linux" : "x86_64-linux",
  };
}

/** As nix/lib/stacks.nix decides: on if the stack file names a repository. */
function rebuildOf(stackYaml: string): boolean {
  const value = configOf(stackYaml)["clawdlets:rebuild"];
  const settings: unknown = typeof value === "string" && value.startsWith("{") ? parse(value) : value;
  if (typeof settings !== "object" || settings === null || !("repository" in settings)) return false;
  return !("enabled" in settings) || String(settings.enabled) === "true";
}

function moduleFacts(module: string, folder: string, isOn: boolean): Pick<Built, "repository" | "breaks"> {
  const rebuilds = isOn || /operator\.rebuild\b[^;]*\benable = true;/.test(module);
  return {
    repository: rebuilds ? folder : null,
    breaks: [...module.matchAll(/^# emulated: breaks ([a-z]+)$/gm)].map(([, what = ""]) => what),
  };
}

function configOf(stackYaml: string): Record<string, unknown> {
  const parsed: unknown = parse(stackYaml);
  if (typeof parsed !== "object" || parsed === null || !("config" in parsed)) return {};
  const { config } = parsed;
  return typeof config === "object" && config !== null ? (config as Record<string, unknown>) : {};
}
