import { existsSync, mkdirSync, mkdtempSync, realpathSync, rmSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { stop } from "esbuild";
import pMap from "p-map";
import { policySettings } from "../../core/host/server/cost-limit.ts";
import { type Layout, layoutOf } from "../../core/project/layout.ts";
import type { Difference } from "../../core/project/trust/difference.ts";
import { changedFiles, fileDifferences } from "../../core/project/trust/files.ts";
import type { Engine } from "../../toolchain/index.ts";
import { engineRoot, packageRoot } from "../environment.ts";
import { makeBackend } from "./backend.ts";
import { bundlePack, bundleProgram, bundleWorkers, projectName } from "./bundle.ts";
import { hostOfFile, type Lab, previewHost } from "./host.ts";
import { readablePackages } from "./packages.ts";
import { type HostReport, type PreviewReport, worstOf } from "./plan/report.ts";
import { checkStacks, stacksIn } from "./plan/stack-checks.ts";
import { type Cell, refuseInReach, sandboxOf, whyNoSandbox } from "./sandbox.ts";
import { copyTree, exportRevision, trackedButLeftOut } from "./tree.ts";
import { Lanes } from "./warm/lanes.ts";
import { writeShim } from "./warm/shim.ts";

/** Settings of the policy pack, committed beside Pulumi.yaml. */
export const packSettings = policySettings;

export interface ThrowawayRequest {
  layout: Layout;
  engine: Engine;
  hosts: readonly string[];
  /** Another revision to compare with. */
  base: string | undefined;
  tell: (text: string) => void;
  signal: AbortSignal;
  /** Whether the engine starts the program and the policy pack for each host. @default false */
  alone?: boolean;
}

/** Previews hosts without token, passphrase, `.clawdlets` or state, in a folder that is gone afterwards. */
export async function previewThrowaway({
  layout,
  engine,
  hosts,
  base,
  tell,
  signal,
  alone = false,
}: ThrowawayRequest): Promise<PreviewReport> {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), "clawdlets-preview-")));
  const notes: string[] = [];
  let lanes: Lanes | undefined;
  try {
    const lab = await setUp(folder, { layout, engine, base, signal, alone }, notes);
    lanes = lab.lanes;
    const checked = checkStacks(layout, hosts);
    let done = 0;
    const reports = await pMap(
      checked,
      async (stack) => {
        const report = await previewHost(lab, stack);
        done++;
        tell(`${report.host}: ${report.verdict} after ${report.seconds} s (${done} of ${checked.length})`);
        return report;
      },
      { concurrency: lanes.count },
    );
    const byItself = alone ? [] : lanes.alone;
    if (byItself.length > 0) tell(`previewed in processes of their own: ${byItself.join(", ")}`);
    const gone = lab.base ? goneFrom(lab.base, layout, hosts) : [];
    const all = [...reports, ...gone];
    const differences = (lab.base?.differences ?? []).filter(({ file }) => !isOfOneHost(file, layout));
    return {
      comparedWith: lab.base?.name ?? "nothing",
      verdict: worstOf(all, differences),
      hosts: all,
      differences,
      notes,
    };
  } finally {
    await lanes?.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

type SetUp = Pick<ThrowawayRequest, "layout" | "engine" | "base" | "signal"> & { alone: boolean };

async function setUp(folder: string, given: SetUp, notes: string[]): Promise<Lab> {
  const { layout, engine, base, signal, alone } = given;
  const head = join(folder, "head");
  await copyTree(layout.root, head);
  const scratch = join(folder, "scratch");
  mkdirSync(scratch);
  const settings = join(head, packSettings);
  const compared = base === undefined ? undefined : await baseTree(layout, head, base, join(folder, "base"));
  await bundleProgram(head);
  const backendFolder = join(folder, "backend");
  const pulumiHome = join(backendFolder, "pulumi-home");
  mkdirSync(pulumiHome, { recursive: true });
  const packages = join(engineRoot, "node_modules");
  const pack = {
    folder: await bundlePack(join(packageRoot, "policy"), packages, join(folder, "pack")),
    settings: existsSync(settings) ? settings : undefined,
  };
  const warm = join(folder, "warm");
  mkdirSync(warm);
  const shim = writeShim(pack.folder, join(warm, "shim"));
  const workers = await bundleWorkers(packages, warm);
  // Its service would hold 200 MiB until we end.
  await stop();
  const shared: Omit<Cell, "writable"> = {
    root: join(folder, "cell"),
    // Both trees as well: what a program writes there would be what later hosts are compared with.
    readable: [
      ...[head, ...(compared ? [compared.tree] : []), pack.folder, warm],
      ...[process.execPath, engine.binDir, join(packageRoot, "bin")],
      ...[
        ...new Set(
          [packages, join(head, "node_modules")].flatMap((path) => readablePackages(path, layout.root, layout.dir)),
        ),
      ],
    ],
    // Plugins that a program could replace would be what the next run starts.
    moved: [[join(engine.pulumiHome, "plugins"), join(pulumiHome, "plugins")]],
  };
  const cell = sandboxOf({ ...shared, writable: [scratch, backendFolder] });
  const why = await whyNoSandbox(cell);
  if (why !== undefined) {
    refuseInReach(why, layout.dir);
    notes.push(`the program was not sandboxed (${why}); it had access to no token and no .clawdlets`);
  }
  const sandbox = why === undefined ? cell : undefined;
  const home = sandbox ? pulumiHome : engine.pulumiHome;
  const backend = await makeBackend(engine, backendFolder, projectName(head), undefined, home);
  const { environment } = backend;
  // An engine waits for others during a third of its time, even with the program and the policy already loaded.
  const count = Math.ceil(availableParallelism() * 1.5);
  const lanes = new Lanes({
    ...{ count, scratch, environment, workers, shim, alone },
    // A program has its own /tmp. What the engine writes, and the policy's pipes, are not there for it.
    sandboxes: sandbox && {
      program: sandboxOf({ ...shared, writable: [], moved: [] }),
      policy: sandboxOf({ ...shared, writable: [scratch] }),
    },
    pack: pack.folder,
    project: head,
  });
  return { engine, backend, scratch, head, base: compared, pack, sandbox, lanes, signal };
}

async function baseTree(layout: Layout, head: string, revision: string, tree: string): Promise<Lab["base"]> {
  const commit = await exportRevision(layout.root, revision, tree);
  // Before the program is bundled: that writes to the tree.
  const changed = changedFiles(tree, head).filter((file) => !isStackFile(file));
  const tracked = (await trackedButLeftOut(layout.root)).map(
    (file): Difference => ({ file, dangerous: true, why: "git tracks it, and it must not" }),
  );
  const differences = [...tracked, ...fileDifferences(tree, head, changed)];
  await bundleProgram(tree);
  const name = revision === commit ? commit : `${revision} (${commit})`;
  return { tree, name, sameProgram: changed.length === 0, differences };
}

/** Compared setting by setting, with its host. */
const isStackFile = (file: string) => /^stacks\/Pulumi\.[^/]+\.yaml$/.test(file);

function isOfOneHost(file: string, layout: Layout): boolean {
  const host = hostOfFile(file);
  return host !== undefined && stacksIn(layout).includes(host);
}

/** Hosts that the other revision has and this one has not. */
function goneFrom({ tree, name }: NonNullable<Lab["base"]>, layout: Layout, hosts: readonly string[]): HostReport[] {
  const here = stacksIn(layout);
  const all = hosts.length === here.length || hosts.length === 0;
  return stacksIn(layoutOf(tree))
    .filter((host) => !here.includes(host) && (all || hosts.includes(host)))
    .map((host) => ({
      host,
      file: `stacks/Pulumi.${host}.yaml`,
      verdict: "dangerous" as const,
      exists: "nothing",
      changes: [],
      dangers: [
        {
          kind: "destruction" as const,
          resource: host,
          message: `its stack file was deleted since ${name}: no stack would manage the server, and it would keep costing money. Destroy it first (clawdlets destroy --host ${host}), or restore the file.`,
        },
      ],
      differences: [],
      violations: [],
      problems: [],
      notes: [],
      seconds: 0,
    }));
}
