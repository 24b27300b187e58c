import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { packTar, type TarEntry } from "modern-tar";
import { engine } from "../../toolchain/_stack.ts";

/** A host's age key pair, by the real age-keygen. */
export interface Identity {
  /** As in a key file. */
  text: string;
  recipient: string;
}

// A sops that finds no key looks for others in the environment and the home.
const env = { PATH: process.env["PATH"] ?? "", HOME: "/nonexistent", XDG_CONFIG_HOME: "/nonexistent" };
// Every byte of what they say: a file of age may well end in what looks like a newline.
const base = { env, extendEnv: false, cwd: "/", stripFinalNewline: false } as const;

function tool(name: string): string {
  const path = join(engine.binDir, name);
  if (existsSync(path)) return path;
  throw new Error(
    `No ${name} in .toolchain/bin. It is built with Go: install that, delete .toolchain, run scripts/setup.sh.`,
  );
}

export async function newIdentity(): Promise<Identity> {
  const { stdout } = await execa(tool("age-keygen"), base);
  const recipient = /public key: (\S+)/.exec(stdout)?.[1] ?? "";
  return { text: stdout, recipient };
}

/** The text of a sops file, by the real sops. */
export async function encrypted(yaml: string, ...to: Identity[]): Promise<Buffer> {
  const recipients = to.map(({ recipient }) => recipient).join(",");
  const types = ["--input-type", "yaml", "--output-type", "yaml", "--filename-override", "x.yaml"];
  const { stdout } = await execa(engine.sops, ["encrypt", ...types, "--age", recipients], { ...base, input: yaml });
  return Buffer.from(stdout);
}

/** The same sops file with another value: the same data key and the same recipients, as after `sops edit`. */
export async function withValue(file: Buffer, name: string, value: string, by: Identity): Promise<Buffer> {
  const folder = mkdtempSync(join(tmpdir(), "clawdlets-sops-"));
  try {
    writeFileSync(join(folder, "x.yaml"), file);
    const options = { ...base, env: { ...env, SOPS_AGE_KEY: by.text } };
    await execa(engine.sops, ["set", join(folder, "x.yaml"), `["${name}"]`, JSON.stringify(value)], options);
    return readFileSync(join(folder, "x.yaml"));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Whether the real sops opens a file with this key file alone. */
export async function isOpenedBy(keyFile: string, file: string): Promise<boolean> {
  const options = { ...base, env: { ...env, SOPS_AGE_KEY_FILE: keyFile }, reject: false };
  const { exitCode } = await execa(engine.sops, ["decrypt", "--input-type", "yaml", file], options);
  return exitCode === 0;
}

/** A file encrypted by the real age. */
export const sealed = (text: string, ...to: Identity[]) => encryptedByAge(text, to);

/** The same, as text. */
export const sealedAsText = (text: string, ...to: Identity[]) => encryptedByAge(text, to, "--armor");

async function encryptedByAge(text: string, to: Identity[], ...flags: string[]): Promise<Buffer> {
  const args = [...flags, ...to.flatMap(({ recipient }) => ["--recipient", recipient])];
  const { stdout } = await execa(tool("age"), args, { ...base, input: text, encoding: "buffer" });
  return Buffer.from(stdout);
}

/** One secret a name, each encrypted to all of `to`. */
export async function secretFiles(names: string[], ...to: Identity[]): Promise<Record<string, Buffer>> {
  const made = names.map(async (name) => [`${name}.yaml`, await encrypted(`"${name}": value of ${name}\n`, ...to)]);
  return Object.fromEntries(await Promise.all(made));
}

type Member = readonly [name: string, content?: Buffer | string, header?: Partial<TarEntry["header"]>];

/** A tar of these members, in this order. */
export async function tarOf(members: Record<string, Buffer> | Member[]): Promise<Buffer> {
  const list: Member[] = Array.isArray(members) ? members : Object.entries(members);
  const entries = list.map(([name, content = "", header]) => {
    const body = new Uint8Array(Buffer.from(content));
    return { header: { name, type: "file" as const, size: body.length, mode: 0o644, ...header }, body };
  });
  return Buffer.from(await packTar(entries));
}

/** The same tar, with another time of its first member: any number of 64 bits, as base 256 has it. */
export function withTime(tar: Buffer, seconds: bigint): Buffer {
  const changed = Buffer.from(tar);
  changed.fill(seconds < 0n ? 0xff : 0, 136, 148);
  changed[136] = seconds < 0n ? 0xff : 0x80;
  changed.writeBigInt64BE(seconds, 140);
  changed.fill(" ", 148, 156);
  const sum = changed.subarray(0, 512).reduce((total, byte) => total + byte, 0);
  changed.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return changed;
}
