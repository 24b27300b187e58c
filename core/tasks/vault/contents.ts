import { createHash } from "node:crypto";
import { lstatSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { packTar, unpackTar } from "modern-tar";
import { z } from "zod";
import { UserError } from "../../base/errors.ts";
import { exitCodes } from "../../base/exit-codes.ts";
import { isLeftover } from "../../base/machine/private-files.ts";
import { leadsOut } from "../../base/text/inside.ts";
import { parseJson } from "../../base/text/json.ts";
import { safeText } from "../../base/wording.ts";
import type { Layout } from "../../project/layout.ts";

/** What was exported last, and when. Not part of a vault itself. */
export const recordName = "vault.json";

/** First entry of the archive: an unpacked vault can be checked without clawdlets. */
const manifestName = "clawdlets-vault.json";

/** A vault larger than this is not one: logs and state of many hosts are a few MiB. */
const most = { files: 20_000, mebibytes: 512 };
const mebibyte = 1024 * 1024;

/** Of the encrypted file, which is a little larger than its contents. */
export const mostVaultMebibytes = most.mebibytes + 8;

const manifest = z.object({
  schemaVersion: z.literal(1),
  at: z.iso.datetime(),
  hosts: z.array(z.string()),
  /** SHA-256 by path below `.clawdlets`. */
  files: z.record(
    z.string().refine((path) => path !== "" && !path.endsWith("/") && !leadsOut(path)),
    z.string().regex(/^[0-9a-f]{64}$/),
  ),
});

export type Manifest = z.infer<typeof manifest>;

export interface VaultFile {
  /** Below `.clawdlets`. */
  path: string;
  mode: number;
  content: Uint8Array;
}

export const sha256 = (content: Uint8Array | string): string => createHash("sha256").update(content).digest("hex");

/** Locks, compiled programs and temporary files: of no use on another machine, where a lock would be nobody's. */
const isLeftOut = (path: string): boolean =>
  path === recordName ||
  /^(?:dist|hosts\/[^/]+\/staging|state\/\.pulumi\/locks)(?:\/|$)/.test(path) ||
  /\.(?:lock|holder)$|^hosts\/[^/]+\/lock$/.test(path) ||
  isLeftover(path.slice(path.lastIndexOf("/") + 1));

/**
 * Every file of `.clawdlets`, sorted by path.
 * @throws UserError for a link, which would not hold what it leads to, and for more than a vault may hold
 */
export function readContents(layout: Layout): VaultFile[] {
  const found = [...walk(layout.dir, "")].map((path) => ({ path, stat: lstatSync(join(layout.dir, path)) }));
  if (found.length > most.files) throw tooMuch(".clawdlets", `has more than ${most.files} files.`);
  // As tar pads them: what is exported has to be accepted by the import.
  const bytes = found.reduce((sum, { stat }) => sum + 2048 + stat.size, mebibyte);
  if (bytes > most.mebibytes * mebibyte) {
    const [largest] = found.sort((one, other) => other.stat.size - one.stat.size);
    const size = Math.ceil((largest?.stat.size ?? 0) / mebibyte);
    throw tooMuch(`.clawdlets/${safeText(largest?.path ?? "", 200)}`, `has ${size} MiB, the most of all files there.`);
  }
  return found.map(({ path, stat }) => {
    return { path, mode: stat.mode & 0o777, content: readFileSync(join(layout.dir, path)) };
  });
}

const tooMuch = (subject: string, problem: string) =>
  new UserError(
    {
      code: "file-unreadable",
      subject,
      problem: `${problem} A vault may hold ${most.files} files and ${most.mebibytes} MiB.`,
      fix: "Move what does not belong there out of .clawdlets, or delete old logs.",
    },
    { exitCode: exitCodes.settings },
  );

function* walk(folder: string, below: string): Generator<string> {
  const entries = readdirSync(join(folder, below), { withFileTypes: true });
  for (const entry of entries.sort((one, other) => (one.name < other.name ? -1 : 1))) {
    const path = below === "" ? entry.name : `${below}/${entry.name}`;
    if (isLeftOut(path)) continue;
    if (entry.isDirectory()) yield* walk(folder, path);
    else if (entry.isFile()) yield path;
    else throw notAFile(path);
  }
}

function notAFile(path: string): UserError {
  return new UserError(
    {
      code: "file-invalid",
      subject: `.clawdlets/${safeText(path, 200)}`,
      problem: "is a link or a special file, but a vault can only hold plain files.",
      fix: "Put the file itself there, or remove it.",
    },
    { exitCode: exitCodes.settings },
  );
}

/** Identifies a set of contents: two of the same digest hold the same files. */
export const digestOf = (files: Readonly<Record<string, string>>): string =>
  sha256(JSON.stringify(Object.entries(files).sort(([one], [other]) => (one < other ? -1 : 1))));

/** What cannot be made again. */
export const keysIn = (files: Readonly<Record<string, string>>): Record<string, string> =>
  Object.fromEntries(
    Object.entries(files).filter(([path]) =>
      /^(?:secrets\/|hosts\/[^/]+\/ssh\/|passphrase$|\.env$|stack\.json$)/.test(path),
    ),
  );

export const sumsOf = (files: readonly VaultFile[]): Record<string, string> =>
  Object.fromEntries(files.map(({ path, content }) => [path, sha256(content)]));

/** A tar archive that also `tar` unpacks: the manifest, and `.clawdlets/…` beside it. */
export async function pack(files: readonly VaultFile[], about: Omit<Manifest, "schemaVersion" | "files">) {
  const described: Manifest = { schemaVersion: 1, ...about, files: sumsOf(files) };
  const entry = (name: string, mode: number, body: Uint8Array) => ({
    header: { name, size: body.length, mode, type: "file" as const },
    body,
  });
  return packTar([
    entry(manifestName, 0o600, Buffer.from(`${JSON.stringify(described, null, 2)}\n`)),
    ...files.map(({ path, mode, content }) => entry(`.clawdlets/${path}`, mode, content)),
  ]);
}

/**
 * The files of a decrypted archive, every one checked against the manifest.
 * @throws UserError for anything that {@link pack} does not write: nothing of it is used then
 */
export async function unpack(archive: Uint8Array): Promise<{ about: Manifest; files: VaultFile[] }> {
  if (archive.length > most.mebibytes * mebibyte) throw damaged(`is larger than ${most.mebibytes} MiB`);
  const entries = await unpackTar(archive).catch(() => {
    throw damaged("holds something other than an archive");
  });
  const [first, ...others] = entries;
  const about = manifest.safeParse(parseJson(Buffer.from(first?.data ?? []).toString("utf8"))).data;
  if (first?.header.name !== manifestName || about === undefined)
    throw damaged("does not begin with its list of files");
  if (others.length > most.files) throw damaged(`has more than ${most.files} files`);
  const files = others.map(({ header, data = new Uint8Array() }): VaultFile => {
    const path = /^\.clawdlets\/(.+)$/s.exec(header.name)?.[1] ?? "";
    const wanted = Object.hasOwn(about.files, path) ? about.files[path] : undefined;
    if (header.type !== "file" || wanted !== sha256(data)) {
      throw damaged(`has ${safeText(header.name, 200)}, which is not as listed in it`);
    }
    return { path, mode: (header.mode ?? 0o600) & 0o777, content: data };
  });
  const found = new Set(files.map(({ path }) => path));
  const missing = Object.keys(about.files).find((path) => !found.has(path));
  if (missing !== undefined || found.size !== files.length) {
    throw damaged(missing === undefined ? "has a file twice" : `lacks ${safeText(missing, 200)}`);
  }
  return { about, files };
}

const damaged = (what: string) =>
  new UserError(
    { code: "file-invalid", subject: "the vault", problem: `${what}.`, fix: "Use another export." },
    { exitCode: exitCodes.settings },
  );
