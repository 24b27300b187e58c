import { once } from "node:events";
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join, normalize } from "node:path";
import { execa } from "execa";
import { onTestFinished } from "vitest";

/** A git server on loopback that lets nobody read without a token: git's own files, over git's simple HTTP protocol. */
export class PrivateGit {
  readonly folder: string;
  readonly #server: Server;
  readonly #token: string;
  /** Requests with the token. */
  served = 0;

  static async start(folder: string, token: string): Promise<PrivateGit> {
    const git = new PrivateGit(folder, token);
    git.#server.listen(0, "127.0.0.1");
    await once(git.#server, "listening");
    onTestFinished(() => git.stop());
    return git;
  }

  private constructor(folder: string, token: string) {
    this.folder = folder;
    this.#token = token;
    mkdirSync(folder, { recursive: true });
    const expected = `Basic ${Buffer.from(`oauth2:${token}`).toString("base64")}`;
    this.#server = createServer(({ url = "/", headers }, response) => {
      const path = join(folder, normalize(`/${url.split("?")[0]}`));
      if (headers.authorization !== expected) {
        response.writeHead(401, { "www-authenticate": 'Basic realm="private"' }).end();
        return;
      }
      this.served += 1;
      if (!existsSync(path) || !statSync(path).isFile()) response.writeHead(404).end();
      else response.end(readFileSync(path));
    });
  }

  get address(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  url(name: string): string {
    return `http://${this.address}/${name}.git`;
  }

  async add(name: string, files: Readonly<Record<string, string>>): Promise<void> {
    await addRepository(this.folder, name, files);
  }

  /** Lines of the operator's git settings, with which git finds the token. */
  async setUp(home: string): Promise<string> {
    writeFileSync(join(home, "credentials"), `http://oauth2:${this.#token}@${this.address.replace(":", "%3a")}\n`);
    return `[credential]\n\thelper = store --file=${home}/credentials\n`;
  }

  /** Nothing can be fetched from now on. */
  async stop(): Promise<void> {
    if (!this.#server.listening) return;
    this.#server.closeAllConnections();
    await new Promise<void>((resolve) => void this.#server.close(() => resolve()));
  }
}

/** Adds a bare repository with one commit of these files to a git server's folder. */
export async function addRepository(folder: string, name: string, files: Readonly<Record<string, string>>) {
  const work = join(folder, `${name}-work`);
  mkdirSync(work, { recursive: true });
  for (const [file, text] of Object.entries(files)) writeFileSync(join(work, file), text);
  const git = (...args: string[]) =>
    execa("git", ["-c", "user.name=t", "-c", "user.email=t@example.invalid", ...args], { cwd: work });
  await git("init", "--quiet", "--initial-branch=main");
  await git("add", "--all");
  await git("commit", "--quiet", "-m", name);
  await git("clone", "--quiet", "--bare", work, join(folder, `${name}.git`));
  await execa("git", ["update-server-info"], { cwd: join(folder, `${name}.git`) });
}
