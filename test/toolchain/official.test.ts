import { createHash } from "node:crypto";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { ensureEngine, findEngine, pins, ToolchainError, type ToolchainEvent } from "../../toolchain/index.ts";
import type { OfficialSource } from "../../toolchain/official.ts";
import { repository } from "./_stack.ts";

const home = mkdtempSync(join(tmpdir(), "clawdlets-official-"));
const files = new Map<string, Buffer>();
const server = createServer(({ url = "" }, response) => {
  const file = files.get(url);
  response.writeHead(file ? 200 : 404).end(file);
});
let source: OfficialSource;
let root = "";

const sum = (algorithm: string, data: Buffer) => createHash(algorithm).update(data).digest("hex");

/** An archive in the form of Pulumi's, whose engine knows the three commands that are run. */
beforeAll(async () => {
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  mkdirSync(join(home, "pulumi"));
  const script = `#!/bin/sh
case "$1 $2" in
"version ") echo v${pins.pulumi} ;;
"plugin install")
  [ "$3" = resource ] || exit 1
  mkdir -p "$PULUMI_HOME/plugins/resource-$4-v$5" && : > "$PULUMI_HOME/plugins/resource-$4-v$5/pulumi-resource-$4" ;;
*) echo "unexpected: $*" >&2; exit 1 ;;
esac
`;
  for (const name of ["pulumi", "pulumi-language-nodejs"]) {
    writeFileSync(join(home, "pulumi", name), script);
    chmodSync(join(home, "pulumi", name), 0o755);
  }
  await execa("tar", ["-czf", join(home, "a.tar.gz"), "-C", home, "pulumi"]);
  const archive = readFileSync(join(home, "a.tar.gz"));
  const sops = Buffer.from("#!/bin/sh\n");
  files.set("/a.tar.gz", archive).set("/sops-bin", sops);
  files.set("/sums", Buffer.from(`${sum("sha512", archive)}  a.tar.gz\n${sum("sha512", sops)}  other\n`));
  files.set("/wrong", Buffer.from(`${sum("sha512", sops)}  a.tar.gz\n`));
  files.set("/unnamed", Buffer.from(`${sum("sha512", archive)}  not-a.tar.gz\n`));
  files.set("/sops-sums", Buffer.from(`${sum("sha256", sops)}  sops-bin\n`));
  source = {
    pulumi: { url: `${base}/a.tar.gz`, sums: `${base}/sums`, algorithm: "sha512" },
    sops: { url: `${base}/sops-bin`, sums: `${base}/sops-sums`, algorithm: "sha256" },
  };
});
afterAll(() => {
  server.close();
  rmSync(home, { recursive: true, force: true });
});
beforeEach(() => {
  root = mkdtempSync(join(home, "root-"));
});

function setUp(official: OfficialSource, origin?: string, events: ToolchainEvent[] = []) {
  const report = (event: ToolchainEvent) => events.push(event);
  return ensureEngine({ root, sources: join(repository, "toolchain"), report, official, origin });
}

test("takes the official engine where it can be downloaded, and asks nobody the next time", async () => {
  const events: ToolchainEvent[] = [];
  const engine = await setUp(source, undefined, events);
  expect(engine).toMatchObject({ origin: "official", binDir: join(root, ".toolchain/bin") });
  expect(events.map(({ kind, component }) => `${kind} ${component}`)).toEqual(
    expect.arrayContaining(["start pulumi", "done pulumi"]),
  );
  expect(await setUp({ ...source, pulumi: { ...source.pulumi, url: "http://127.0.0.1:1/" } })).toEqual(engine);
});

test.each(["wrong", "unnamed"])(
  "refuses an archive whose published sum is %s, and uses nothing of it",
  async (sums) => {
    const changed = { ...source, pulumi: { ...source.pulumi, sums: source.pulumi.sums.replace("/sums", `/${sums}`) } };
    const error = await setUp(changed, "official").catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(ToolchainError);
    expect((error as ToolchainError).message).toMatch(/is not what .* says\. Nothing of it was used/);
    expect(existsSync(join(root, ".toolchain/bin"))).toBe(false);
    expect(findEngine(root)).toBeUndefined();
  },
);

test("says what could not be downloaded, and the other way", async () => {
  const gone = { ...source, pulumi: { ...source.pulumi, url: `${source.pulumi.url}.gone` } };
  await expect(setUp(gone, "official")).rejects.toThrow(
    /a\.tar\.gz\.gone could not be downloaded: HTTP 404\. .*CLAWDLETS_ENGINE=build/,
  );
});
