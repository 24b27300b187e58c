import { cpSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { generateIdentity, identityToRecipient } from "age-encryption";
import { execa } from "execa";
import { parseDocument } from "yaml";
import { newKeyPair } from "../../../emulator/machine/key-pair.ts";
import { namedParts } from "../../toolchain/_named-parts.ts";

const repository = resolve(dirname(fileURLToPath(import.meta.url)), "../../..");
/** What the program is made of. */
const program = ["Pulumi.yaml", "bin", "index.ts", "package.json", "tsconfig.json", "components", "core"];

/** Public facts of a made-up host; each has its own. */
export async function facts(): Promise<Record<string, unknown>> {
  const key = () => `${newKeyPair().public} test`;
  const ageRecipient = await identityToRecipient(await generateIdentity());
  return { serverType: "cx43", ageRecipient, sshHostKey: key(), adminSshKeys: [key()] };
}

/** A clone as CI has it: what is committed and the packages; no `.clawdlets`, and an environment of its own. */
export class Clone {
  readonly root: string;

  constructor(root: string) {
    this.root = root;
    mkdirSync(join(root, "stacks"), { recursive: true });
    for (const path of program) cpSync(join(repository, path), join(root, path), { recursive: true });
    symlinkSync(join(repository, "node_modules"), join(root, "node_modules"));
    writeFileSync(join(root, ".gitignore"), ".clawdlets/\n.toolchain/\nnode_modules\n");
  }

  async host(name: string, more: Record<string, unknown> = {}): Promise<void> {
    const settings = Object.entries({ ...(await facts()), ...more }).map(([key, value]) => [`clawdlets:${key}`, value]);
    const document = parseDocument("encryptionsalt: v1:c2FsdA==:v1:bm9uY2U=:of-the-operator\n");
    document.set("config", document.createNode(Object.fromEntries(settings)));
    writeFileSync(this.file(name), document.toString({ lineWidth: 0 }));
  }

  file = (host: string) => join(this.root, "stacks", `Pulumi.${host}.yaml`);

  edit(path: string, from: string, to: string): void {
    const file = join(this.root, path);
    const before = readFileSync(file, "utf8");
    if (!before.includes(from)) throw new Error(`${path} does not hold ${from}`);
    writeFileSync(file, before.replace(from, to));
  }

  remove = (path: string) => rmSync(join(this.root, path));

  async commit(message: string): Promise<void> {
    const author = ["-c", "user.name=t", "-c", "user.email=t@t.invalid", "-c", "commit.gpgsign=false"];
    await execa("git", ["init", "--quiet", "--initial-branch=main"], { cwd: this.root });
    await execa("git", ["add", "--all"], { cwd: this.root });
    await execa("git", [...author, "commit", "--quiet", "--allow-empty", "-m", message], { cwd: this.root });
  }

  /** `clawdlets preview --ci …` in it. */
  preview(args: string[], environment: Record<string, string> = {}) {
    const bare = { PATH: process.env["PATH"] ?? "", HOME: join(this.root, "nobody") };
    const env = { ...bare, ...namedParts(), ...environment };
    const command = [join(repository, "bin", "clawdlets.mjs"), "preview", "--ci", ...args];
    return execa(process.execPath, command, { cwd: this.root, env, extendEnv: false, reject: false, stdin: "ignore" });
  }
}
