import { spawn } from "node:child_process";
import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { type AddressInfo, createServer as createTcpServer } from "node:net";
import { join } from "node:path";
import { execa } from "execa";
import { expect, it } from "vitest";
import { bootstrapUserData } from "../../core/host/install/user-data.ts";
import { path, whereIs } from "../_debian.ts";
import { describeWith } from "../_needs.ts";
import { temporaryFolder } from "../_project.ts";
import { repository } from "../_repository.ts";

async function key(folder: string, name: string) {
  const file = join(folder, name);
  await execa("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", name, "-f", file]);
  return { file, private: readFileSync(file, "utf8"), public: readFileSync(`${file}.pub`, "utf8").trim() };
}

async function freePort(): Promise<number> {
  const server = createTcpServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** nix/host/image/first-boot.sh with real sshd, curl and ssh-keygen, and a metadata service of this test. nft is left out. */
async function firstBoot(userData: string, { baked = true } = {}) {
  const folder = temporaryFolder();
  const server = createServer((_, response) => response.end(userData)).listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  if (baked) writeFileSync(join(folder, "image"), "web-1\n");
  const port = await freePort();
  const env = {
    PATH: path,
    USER_DATA: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    FOLDER: join(folder, "run"),
    MARKER: join(folder, "image"),
    SSHD: whereIs("sshd") ?? "",
    SSH_PORT: String(port),
    FIREWALL: "true",
    // Folders for tests are below /tmp, where everyone may write.
    STRICT_MODES: "no",
  };
  const child = spawn("bash", [join(repository, "nix/host/image/first-boot.sh")], {
    env,
    stdio: ["ignore", "ignore", "pipe"],
  });
  let said = "";
  child.stderr.on("data", (chunk: Buffer) => {
    said += chunk.toString();
  });
  const ended = new Promise<number | null>((resolve) => child.once("exit", resolve));
  const stop = async () => {
    child.kill();
    await ended;
    server.close();
  };
  return { folder, port, ended, stop, said: () => said };
}

describeWith({ programs: ["sshd", "curl", "ssh-keygen"], root: true }, "the first boot of a baked snapshot", () => {
  it("lets in the one-time key with the pinned host key, and nobody else", async () => {
    const keys = temporaryFolder();
    const [host, client, other] = [await key(keys, "host"), await key(keys, "client"), await key(keys, "other")];
    const userData = bootstrapUserData({
      hostPrivateKey: host.private,
      hostPublicKey: host.public,
      clientPublicKey: client.public,
    });
    const { folder, port, stop, said } = await firstBoot(userData);
    try {
      const logIn = async (identity: string, hostKey: string) => {
        writeFileSync(join(keys, "known"), `[127.0.0.1]:${port} ${hostKey}\n`);
        const options = [
          "BatchMode=yes",
          "IdentitiesOnly=yes",
          "StrictHostKeyChecking=yes",
          `UserKnownHostsFile=${keys}/known`,
        ];
        const args = ["-F", "none", ...options.flatMap((each) => ["-o", each]), "-i", identity, "-p", String(port)];
        return (await execa("ssh", [...args, "root@127.0.0.1", "true"], { reject: false })).exitCode;
      };
      await expect.poll(said, { timeout: 10_000 }).toContain("Server listening");
      expect(await logIn(client.file, host.public)).toBe(0);
      expect(await logIn(other.file, host.public)).toBe(255);
      expect(await logIn(client.file, other.public)).toBe(255);
      expect(statSync(join(folder, "run/host_key")).mode & 0o777).toBe(0o600);
    } finally {
      await stop();
    }
  }, 30_000);

  it.each([
    ["no keys", "#cloud-config\nssh_pwauth: false\n", true, "user_data has no usable host key"],
    ["what is not cloud-config", "hello\n", true, "user_data has no usable host key"],
    ["a disk that has its identity", "#cloud-config\n", false, "this disk has an identity; nothing to do"],
  ])("starts no sshd with %s", async (_, userData, baked, message) => {
    const { folder, ended, stop, said } = await firstBoot(userData, { baked });
    expect(await ended).toBe(1);
    await stop();
    expect(said()).toContain(message);
    expect(existsSync(join(folder, "run/sshd_config"))).toBe(false);
  });
});
