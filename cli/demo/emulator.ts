import { join } from "node:path";
import type { Layout } from "../../core/project/layout.ts";
import { readEnvFile } from "../../core/project/settings/env-file.ts";
import { type Report, startEmulator } from "../../emulator/index.ts";
import { pointAt } from "../shared/emulator-env.ts";

/** The demo's emulated Hetzner: started by us, or by hand on the same data. */
export interface DemoEmulator {
  sshPort: number;
  report: () => Promise<Report>;
  close: () => Promise<void>;
}

/** Uses the emulator that answers where `.env` points, or starts one on `data` and writes `.env` for it. */
export async function useEmulator(
  layout: Layout,
  data: string,
  progress: (text: string) => void,
): Promise<DemoEmulator> {
  const { HCLOUD_ENDPOINT: known, HCLOUD_TOKEN: token, CLAWDLETS_SSH_PORT: port } = readEnvFile(layout, {}).value;
  if (known !== undefined && token !== undefined && (await fetchReport(known, token)) !== undefined) {
    progress(`using the Hetzner emulator already running at ${known}`);
    const report = async () =>
      (await fetchReport(known, token)) ?? Promise.reject(new Error(`the emulator at ${known} stopped answering`));
    return { sshPort: Number(port), report, close: async () => undefined };
  }
  const emulator = await startEmulator({ data });
  progress(`Hetzner emulator at ${emulator.endpoint}: no real server, no cost`);
  await pointAt(join(layout.dir, ".env"), emulator);
  return { sshPort: emulator.sshPort, report: async () => emulator.report(), close: () => emulator.close() };
}

async function fetchReport(endpoint: string, token: string): Promise<Report | undefined> {
  try {
    const response = await fetch(new URL("/_emulator/report", endpoint), {
      headers: { authorization: `Bearer ${token}` },
      signal: AbortSignal.timeout(2000),
    });
    return response.ok ? ((await response.json()) as Report) : undefined;
  } catch {
    return undefined; // Usually no emulator is running yet; the caller starts one.
  }
}
