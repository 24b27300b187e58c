import { createHash } from "node:crypto";
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import { vi } from "vitest";
import { whereIs } from "../../_debian.ts";
import { temporaryFolder } from "../../_project.ts";
import { freePort } from "../../examples/_bucket.ts";
import type { TestRepository } from "./_backup-host.ts";

/** A server with one repository, on this machine, with the login that it asks for. */
export interface RepositoryServer {
  repository: TestRepository;
  /** Settings of restic's unit. */
  more: Record<string, string>;
  /** Where the server keeps the repository's files. */
  files: string;
  /** Lets in nobody who has the login of `repository`. */
  changeLogin: () => void;
  /** What the server logged. */
  log: () => string;
  /** The secret part of its login. */
  secret: string;
  close: () => Promise<void>;
}

/** How full the repository may get, in bytes, or whether it takes deletions. */
export interface Limits {
  maxBytes?: number;
  appendOnly?: boolean;
  /** Folder of an earlier server, whose repository it serves. */
  folder?: string;
}

const secret = "canary-rest-password-0123456789";
const login = (text: string) => `web-1:{SHA}${createHash("sha1").update(text).digest("base64")}\n`;

/** restic's own server, with TLS and a login in htpasswd, which may use the folder of its name alone. */
export async function startRestServer(
  program: string,
  { maxBytes, appendOnly = false, folder = temporaryFolder() }: Limits = {},
): Promise<RepositoryServer & { folder: string }> {
  const at = (name: string) => join(folder, name);
  await execa("openssl", [
    ...["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"],
    ...["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"],
    ...["-keyout", at("key.pem"), "-out", at("cert.pem")],
  ]);
  mkdirSync(at("data"), { recursive: true });
  writeFileSync(at("htpasswd"), login(secret));
  const port = await freePort();
  const words = ["--path", at("data"), "--listen", `127.0.0.1:${port}`, "--log", at("requests"), "--private-repos"];
  const tls = ["--tls", "--tls-cert", at("cert.pem"), "--tls-key", at("key.pem"), "--htpasswd-file", at("htpasswd")];
  const limits = [...(appendOnly ? ["--append-only"] : []), ...(maxBytes ? ["--max-size", `${maxBytes}`] : [])];
  const server = execa(program, [...words, ...tls, ...limits], { reject: false, all: true });
  let printed = "";
  server.all.on("data", (text) => {
    printed += String(text);
  });
  await vi.waitUntil(() => printed.includes("TLS enabled"), { timeout: 20_000, interval: 50 });
  const url = `127.0.0.1:${port}/web-1/`;
  return {
    folder,
    repository: {
      kind: "rest",
      url: `rest:https://${url}`,
      credentials: { restic_rest: `rest:https://web-1:${secret}@${url}\n` },
    },
    more: { SSL_CERT_FILE: at("cert.pem") },
    files: at("data/web-1"),
    changeLogin() {
      writeFileSync(at("htpasswd"), login("canary-another-0123456789"));
      // It reads the file again at this signal, and otherwise within half a minute.
      server.kill("SIGHUP");
    },
    log: () => printed + readFileSync(at("requests"), "utf8"),
    secret,
    async close() {
      server.kill("SIGTERM");
      await server;
    },
  };
}

/** sshd with its sftp alone, by a key. With `maxBytes` its repository is on a file system of that size, which nobody else sees. */
export async function startSftpServer({
  maxBytes,
}: Limits = {}): Promise<RepositoryServer & { pin: (key: "host" | "user") => void }> {
  const folder = temporaryFolder();
  const at = (name: string) => join(folder, name);
  for (const name of ["host", "user", "another"])
    await execa("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", at(name)]);
  writeFileSync(at("keys"), readFileSync(at("user.pub")));
  mkdirSync(at("files"));
  mkdirSync("/run/sshd", { recursive: true });
  const port = await freePort();
  const options = [
    `ListenAddress=127.0.0.1:${port}`,
    `HostKey=${at("host")}`,
    `AuthorizedKeysFile=${at("keys")}`,
    "PidFile=none",
    "Subsystem=sftp internal-sftp",
    "UsePAM=no",
    "StrictModes=no",
    "PermitRootLogin=yes",
  ];
  const sshd = [whereIs("sshd") ?? "sshd", "-D", "-e", "-f", "/dev/null", ...options.flatMap((each) => ["-o", each])];
  const small = `mount -t tmpfs -o size=${maxBytes} tmpfs '${at("files")}' && exec "$@"`;
  const [program = "", ...words] = maxBytes ? ["unshare", "--mount", "sh", "-c", small, "sh", ...sshd] : sshd;
  const server = execa(program, words, { reject: false, all: true });
  let printed = "";
  server.all.on("data", (text) => {
    printed += String(text);
  });
  const pin = (key: string) => writeFileSync(at("known"), `clawdlets-repository ${readFileSync(at(`${key}.pub`))}`);
  pin("host");
  const lines = ["HostName 127.0.0.1", `Port ${port}`, "User root", "HostKeyAlias clawdlets-repository"];
  const trust = [`UserKnownHostsFile ${at("known")}`, "GlobalKnownHostsFile /dev/null", "StrictHostKeyChecking yes"];
  const all = [...lines, "BatchMode yes", "IdentitiesOnly yes", ...trust];
  writeFileSync(at("config"), `Host clawdlets-repository\n${all.map((line) => `  ${line}\n`).join("")}`);
  await vi.waitUntil(() => printed.includes("listening on"), { timeout: 20_000, interval: 50 });
  return {
    repository: {
      kind: "sftp",
      url: `sftp://root@127.0.0.1:${port}/${at("files")}/repository`,
      credentials: { restic_ssh_key: readFileSync(at("user"), "utf8") },
    },
    more: { SSH_CONFIG: at("config") },
    files: at("files/repository"),
    changeLogin() {
      writeFileSync(at("keys"), readFileSync(at("another.pub")));
      chmodSync(at("keys"), 0o600);
    },
    log: () => printed,
    secret: (readFileSync(at("user"), "utf8").split("\n")[2] ?? "").trim(),
    pin,
    async close() {
      server.kill("SIGTERM");
      await server;
    },
  };
}
