import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { type Demo, prepareDemo } from "../../cli/demo/prepare.ts";
import { engineEnvironment } from "../../engine/environment.ts";
import { findEngine } from "../../engine/find-engine.ts";
import type { Progress } from "../../engine/progress/progress.ts";
import { repository } from "../_repository.ts";
import { clientOf } from "../emulator/_lab.ts";

/** A demo project whose emulator bakes snapshots, and the real command in it. */
export async function bakeLab(progress: Progress = () => undefined) {
  const folder = mkdtempSync(join(tmpdir(), "clawdlets-bake-"));
  const data = join(folder, "emulator");
  const engine = findEngine(repository);
  const demo: Demo = await prepareDemo(progress, { root: join(folder, "project"), data });
  const environment = () => engineEnvironment(demo.layout, engine ?? ({} as never));
  const api = (method: string, path: string, body?: unknown) =>
    clientOf(environment()["HCLOUD_ENDPOINT"] ?? "", environment()["HCLOUD_TOKEN"] ?? "")(method, path, body);
  const kinds = ["servers", "firewalls", "ssh_keys", "images?type=snapshot"];
  return {
    demo,
    /** The emulator's folder. */
    data,
    api,
    /** In a process group of its own. */
    clawdlets: (...args: string[]) =>
      execa(join(repository, "bin", "clawdlets"), [...args, "--host", demo.host], {
        cwd: demo.layout.root,
        env: environment(),
        reject: false,
        all: true,
        detached: true,
        // `detached` turns it off.
        cleanup: true,
      }),
    /** Number of servers, firewalls, keys and snapshots: what costs money or blocks a name. */
    left: () =>
      Promise.all(
        kinds.map(async (kind) => (Object.values((await api("GET", `/${kind}`)).body)[0] as unknown[]).length),
      ),
    async stop() {
      await demo.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
