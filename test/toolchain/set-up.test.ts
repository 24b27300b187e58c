import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { execa } from "execa";
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from "vitest";
import { type EnsureOptions, ensureEngine, findEngine, pins, ToolchainError } from "../../toolchain/index.ts";
import { officialSource } from "../../toolchain/official.ts";
import { digests } from "../../toolchain/pins.ts";
import { repository } from "./_stack.ts";

// The Go of this machine is out of sight: only what a test puts on PATH is there.
vi.mock("node:fs", async (original) => {
  const fs = await original<typeof import("node:fs")>();
  const existsSync = (path: string) => path !== "/usr/local/go/bin/go" && fs.existsSync(path);
  return { ...fs, existsSync };
});

const sources = join(repository, "toolchain");
let root = "";
let told: string[] = [];

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "clawdlets-set-up-"));
  told = [];
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(root, { recursive: true, force: true });
});

const options = (more: Partial<EnsureOptions> = {}): EnsureOptions => ({
  root,
  sources,
  origin: "build",
  report: ({ kind, component, text = "" }) => told.push(`${component} ${kind} ${text}`.trim()),
  ...more,
});

async function refusal(more?: Partial<EnsureOptions>): Promise<ToolchainError> {
  const error: unknown = await ensureEngine(options(more)).catch((reason: unknown) => reason);
  if (!(error instanceof ToolchainError)) throw new Error(`no ToolchainError: ${String(error)}`);
  return error;
}

function script(path: string, lines: string): void {
  writeFileSync(path, `#!/bin/sh\n${lines}\n`, { mode: 0o755 });
}

/** Of Pulumi's SDK, as far as the check for other users is put into it. */
function fakeSdk(serve: string): void {
  for (const [file, line] of [
    ["rpcutil/serve.go", serve],
    ["otelreceiver/receiver.go", "r.server.Serve(listener)"],
    ["cmdutil/profile_unix.go", "http.Serve(listener, mux)"],
  ]) {
    const path = join(root, "sdk/go/common/util", file ?? "");
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, `package x\n\nimport (\n)\n\n${line}\n`);
  }
}

/**
 * The only program on PATH. It writes what it was asked to build to `built`, and as the result a script that calls
 * itself the engine; before that it runs `first`, where $pkg is the package.
 */
function fakeGo({ version = `go${pins.go}.0`, first = "", serve = "srv.Serve(lis)" } = {}): void {
  mkdirSync(join(root, "path"), { recursive: true });
  fakeSdk(serve);
  script(
    join(root, "path/go"),
    `if [ "$1" = env ]; then echo "${version}"; exit; fi
    if [ "$1" = mod ]; then echo '{ "Dir": "${root}/sdk" }'; exit; fi
    while [ $# -gt 1 ]; do if [ "$1" = -o ]; then out=$2; fi; shift; done
    pkg=$1
    ${first}
    echo "$pkg" >> "${root}/built"
    printf '#!/bin/sh\\n[ "$2" != schema ] || echo {} > "$5/schema.json"\\necho v${pins.pulumi}\\n' > "$out"
    /bin/chmod +x "$out"`,
  );
  vi.stubEnv("PATH", join(root, "path"));
}

const built = () => readFileSync(join(root, "built"), "utf8").trim().split("\n");
const all = [
  "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi",
  "./nodejs",
  "./command",
  "github.com/getsops/sops/v3/cmd/sops",
  ...["./tfgen", "./plugin/hcloud", "./tfgen", "./plugin/random"],
  ...["filippo.io/age/cmd/age", "filippo.io/age/cmd/age-keygen"],
];

describe("building from source", () => {
  test("builds every component once, and nothing the second time", async () => {
    fakeGo();
    expect(await ensureEngine(options())).toMatchObject({
      origin: "built",
      refusesOthers: process.platform === "linux",
      pulumi: `${root}/.toolchain/bin/pulumi`,
    });
    expect(built()).toEqual(all);
    expect(findEngine(root)).toBeDefined();
    rmSync(join(root, "path/go"));
    await ensureEngine(options());
    expect(built()).toEqual(all);
  });

  test("copies what was built for another project on this machine, and needs no Go for that", async () => {
    fakeGo();
    const cache = join(root, "cache");
    await ensureEngine(options({ cache }));
    rmSync(join(root, ".toolchain"), { recursive: true });
    rmSync(join(root, "path/go"));
    expect(await ensureEngine(options({ cache }))).toMatchObject({ origin: "built" });
    expect(built()).toEqual(all);
    expect(told.join("\n")).toContain(`copied from ${cache}`);
  });

  test("without Go: says which to install", async () => {
    vi.stubEnv("PATH", root);
    const { code, message } = await refusal();
    expect(code).toBe("no-go");
    expect(message).toContain(`Install Go ${pins.go} or newer (https://go.dev/dl)`);
  });

  test.each(["go1.20", "go1.25.9", "", "devel"])(
    "with %j for Go: says which it is and which is needed",
    async (version) => {
      fakeGo({ version });
      const { code, message } = await refusal();
      expect(code).toBe("old-go");
      expect(message).toContain(`${root}/path/go is ${version || "broken"}; ${pins.go} or newer is needed. Install Go`);
    },
  );

  test.each([
    ["dial tcp: lookup proxy.example: no such host", "modules", "go env GOPROXY"],
    ["write /x/y.a: no space left on device", "disk", "Free some space and run this again"],
    ["nodejs/host.go:12:2: undefined: nothing", "build", "report it with these lines"],
  ])("when Go says %j: the code is %s and the advice %j", async (said, expected, advice) => {
    fakeGo({ first: `echo "${said}" >&2; exit 1` });
    const { code, message } = await refusal();
    expect(code).toBe(expected);
    expect(message).toContain(advice);
    expect(message, "what Go said is told too").toContain(said);
    expect(findEngine(root)).toBeUndefined();
  });

  test.each(["srv.Serve(listener)", "srv.Serve(lis); srv.Serve(lis)"])(
    "refuses a Pulumi whose servers it cannot close to other users: %s",
    async (serve) => {
      fakeGo({ serve });
      const { code, message } = await refusal();
      expect(code).toBe("build");
      expect(message).toContain("keeps other users of this machine out of the engine could not be added");
      expect(findEngine(root)).toBeUndefined();
      expect(existsSync(join(root, "built"))).toBe(false);
    },
  );

  test("keeps what is finished when a later one fails, and goes on from there", async () => {
    fakeGo({ first: 'if [ "$pkg" = ./plugin/hcloud ]; then echo "i/o timeout" >&2; exit 1; fi' });
    expect(await refusal()).toMatchObject({ code: "modules" });
    expect(built()).toEqual(all.slice(0, 5));
    expect(findEngine(root)).toBeUndefined();
    rmSync(join(root, "built"));
    fakeGo();
    await ensureEngine(options());
    expect(built()).toEqual(all.slice(4));
  });

  test("builds again what was stopped half-way, and throws an AbortError at the stop", async () => {
    const stop = new AbortController();
    fakeGo({ first: `if [ "$pkg" = ./command ]; then : > "${root}/reached"; exec /bin/sleep 300; fi` });
    const stopped = ensureEngine(options({ signal: stop.signal })).catch((reason: unknown) => reason);
    await vi.waitFor(() => expect(existsSync(join(root, "reached"))).toBe(true), { timeout: 20_000 });
    stop.abort();
    expect(await stopped).toMatchObject({ name: "AbortError" });
    expect(built()).toEqual(all.slice(0, 2));
    fakeGo();
    await ensureEngine(options());
    expect(built()).toEqual(all);
  });

  test("age that does not build is told, keeps nobody from the engine, and is tried again", async () => {
    fakeGo({ first: 'case $pkg in filippo.io/*) echo "i/o timeout" >&2; exit 1; esac' });
    expect(await ensureEngine(options())).toMatchObject({ origin: "built" });
    expect(told.at(-1)).toMatch(/^age note not built \(only tests need it\): Go could not fetch/);
    expect(built()).toEqual(all.slice(0, -2));
    fakeGo();
    await ensureEngine(options());
    expect(built()).toEqual(all);
  });

  test("a second process waits for the first, says so, and builds nothing again", async () => {
    fakeGo({ first: `: > "${root}/begun"; while [ ! -e "${root}/go-on" ]; do /bin/sleep 0.05; done` });
    const program = join(root, "other.mts");
    writeFileSync(
      program,
      `import { ensureEngine } from ${JSON.stringify(pathToFileURL(join(sources, "index.ts")).href)};
      const [, , root = "", sources = ""] = process.argv;
      await ensureEngine({ root, sources, origin: "build", report: () => undefined });`,
    );
    const loader = pathToFileURL(join(repository, "node_modules/tsx/dist/loader.mjs")).href;
    const other = execa(process.execPath, ["--import", loader, program, root, sources], { all: true, reject: false });
    await vi.waitFor(() => expect(existsSync(join(root, "begun"))).toBe(true), { timeout: 20_000 });
    const mine = ensureEngine(options());
    await vi.waitFor(() =>
      expect(told).toContainEqual(expect.stringMatching(/^lock note another process is setting up/)),
    );
    writeFileSync(join(root, "go-on"), "");
    const { exitCode, all: output } = await other;
    expect(exitCode, output).toBe(0);
    expect(await mine).toMatchObject({ origin: "built" });
    expect(built()).toEqual(all);
  });
});

test("refuses a CLAWDLETS_ENGINE that is neither", async () => {
  expect((await refusal({ origin: "offical" })).message).toContain('"offical". It can be "official" or "build"');
});

describe("the official download", () => {
  const sum = (file: Buffer | string) => createHash("sha256").update(file).digest("hex");

  /** A release of scripts that behave like the engine, on a server of our own. */
  async function release(change: (files: Map<string, Buffer>) => void = () => undefined) {
    const folder = join(root, "release/pulumi");
    mkdirSync(folder, { recursive: true });
    script(
      join(folder, "pulumi"),
      `if [ "$1" != plugin ]; then echo v${pins.pulumi}; exit; fi
      echo "$4 $6 $7" >> "${root}/downloaded"
      mkdir -p "$PULUMI_HOME/plugins/resource-$4-v$5"; : > "$PULUMI_HOME/plugins/resource-$4-v$5/pulumi-resource-$4"`,
    );
    script(join(folder, "pulumi-language-nodejs"), "exit 0");
    await execa("tar", ["-czf", join(root, "pulumi.tar.gz"), "-C", join(root, "release"), "pulumi"]);
    const archive = readFileSync(join(root, "pulumi.tar.gz"));
    const sops = Buffer.from("#!/bin/sh\n");
    const files = new Map([
      ["/pulumi.tar.gz", archive],
      ["/sops", sops],
    ]);
    change(files);
    // The published checksums match what the server holds, including files that an attacker replaced.
    const sums = [...files].map(([path, file]) => `${sum(file)}  ${path.slice(1)}\n`).join("");
    for (const path of ["/SHA512SUMS", "/sops.txt", "/checksums.txt"]) files.set(path, Buffer.from(sums));
    const server = createServer(({ url = "" }, response) => {
      const file = files.get(url);
      response.writeHead(file ? 200 : 404).end(file);
    });
    await new Promise<void>((ready) => server.listen(0, "127.0.0.1", ready));
    onTestFinished(() => {
      server.close();
    });
    const at = (path: string) => `http://127.0.0.1:${(server.address() as AddressInfo).port}${path}`;
    vi.stubEnv("PATH", ["/usr/bin", "/bin"].join(delimiter));
    return {
      pulumi: { url: at("/pulumi.tar.gz"), sha256: sum(archive) },
      sops: { url: at("/sops"), sha256: sum(sops) },
      plugins: { hcloud: sum("hcloud"), random: sum("random"), command: sum("command") },
    };
  }

  const downloaded = () => readFileSync(join(root, "downloaded"), "utf8").trim().split("\n");

  test("is used where it answers, and is not built", async () => {
    const official = await release();
    expect(await ensureEngine(options({ origin: undefined, official }))).toMatchObject({
      origin: "official",
      refusesOthers: false,
    });
    expect(existsSync(join(root, "built"))).toBe(false);
    expect(told.at(-1)).toMatch(/^age note not built \(only tests need it\): Go is required/);
    expect(downloaded(), "the engine checks its plugins").toEqual(
      Object.entries(official.plugins).map(([name, digest]) => `${name} --checksum ${digest}`),
    );
  });

  test("has age built beside it where there is Go, and is as good without", async () => {
    const official = await release();
    const path = process.env["PATH"] ?? "";
    fakeGo();
    vi.stubEnv("PATH", [join(root, "path"), path].join(delimiter));
    expect(await ensureEngine(options({ origin: "official", official }))).toMatchObject({ origin: "official" });
    expect(built()).toEqual(all.slice(-2));
    expect(existsSync(join(root, ".toolchain/bin/age-keygen"))).toBe(true);
  });

  test("gives way to the build where it does not answer", async () => {
    const official = await release((files) => files.clear());
    fakeGo();
    expect(await ensureEngine(options({ origin: undefined, official }))).toMatchObject({ origin: "built" });
    expect(told[0]).toContain("the official downloads do not answer: building from source");
  });

  test.each([
    ["the engine's archive", "/pulumi.tar.gz", "pulumi"],
    ["sops", "/sops", "sops"],
  ] as const)("is refused for another byte in %s, though the server's sums fit it", async (_name, path, part) => {
    const official = await release((files) =>
      files.set(path, Buffer.concat([files.get(path) ?? Buffer.of(), Buffer.of(0)])),
    );
    const { code, message } = await refusal({ origin: "official", official });
    expect(code).toBe("official");
    expect(message).toContain(`${official[part].url} has the SHA-256 `);
    expect(message).toContain(`, but toolchain/pins.ts expects ${official[part].sha256}. The download was discarded.`);
    expect(message).toContain("CLAWDLETS_ENGINE=build");
    expect(existsSync(join(root, ".toolchain/bin", part))).toBe(false);
    expect(findEngine(root)).toBeUndefined();
  });

  test("is not made of what has no pinned digest: that is built", async () => {
    const official = await release();
    const path = process.env["PATH"] ?? "";
    fakeGo();
    vi.stubEnv("PATH", [join(root, "path"), path].join(delimiter));
    const unknown = { ...official, sops: { ...official.sops, sha256: undefined } };
    const plugins = { hcloud: undefined, random: official.plugins.random, command: undefined };
    expect(await ensureEngine(options({ origin: "official", official: { ...unknown, plugins } }))).toMatchObject({
      origin: "official",
    });
    expect(downloaded()).toEqual([`random --checksum ${official.plugins.random}`]);
    expect(built().slice(0, -2)).toEqual([
      "./command",
      "github.com/getsops/sops/v3/cmd/sops",
      "./tfgen",
      "./plugin/hcloud",
    ]);
    expect(told.join("\n")).toContain("no digest is pinned for the official download of hcloud, command, sops");
  });

  test("is not used at all where the engine has none, and is refused where it was asked for", async () => {
    const { pulumi, ...rest } = await release();
    const official = { ...rest, pulumi: { ...pulumi, sha256: undefined } };
    const { code, message } = await refusal({ origin: "official", official });
    expect(code).toBe("official");
    expect(message).toBe(
      `No digest is pinned for ${pulumi.url}, so it is not downloaded. Build from source: CLAWDLETS_ENGINE=build`,
    );
    fakeGo();
    expect(await ensureEngine(options({ origin: undefined, official }))).toMatchObject({ origin: "built" });
    expect(told.join("\n")).toContain("the official downloads have no pinned digest: building from source");
  });

  test("that is not there says which address and which answer", async () => {
    const official = await release((files) => files.delete("/pulumi.tar.gz"));
    const { code, message } = await refusal({ origin: "official", official });
    expect(code).toBe("official");
    expect(message).toContain(`${official.pulumi.url}: HTTP 404`);
  });

  test("of these versions has digests of 64 hex digits, for every platform or for none", () => {
    for (const [part, sums] of Object.entries(digests)) {
      expect([0, 4], part).toContain(Object.keys(sums).length);
      for (const digest of Object.values(sums)) expect(digest).toMatch(/^[0-9a-f]{64}$/);
    }
    expect(officialSource().pulumi).toEqual({
      url: expect.stringContaining(`/pulumi-v${pins.pulumi}-${process.platform}-`),
      sha256: Object.entries(digests.pulumi).find(([each]) => each === `${process.platform}-${process.arch}`)?.[1],
    });
  });
});
