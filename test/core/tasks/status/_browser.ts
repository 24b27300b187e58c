import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** One page in a real browser, without its window. */
export interface Page {
  /** The value of an expression in the page. */
  evaluate: (expression: string) => Promise<unknown>;
  /** Addresses of everything that was asked for, the page itself first. */
  requests: string[];
  close: () => Promise<void>;
}

type Message = { id?: number; method?: string; params?: Record<string, never>; result?: Record<string, never> };

/** Opens a file by the DevTools protocol, over a pipe: no port is opened. @param width of the viewport, in pixels */
export async function openPage(file: string, width: number): Promise<Page> {
  const profile = mkdtempSync(join(tmpdir(), "clawdlets-browser-"));
  const args = ["--no-sandbox", "--disable-gpu", "--remote-debugging-pipe", `--user-data-dir=${profile}`];
  const browser = spawn("chromium-headless-shell", args, { stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"] });
  const ended = new Promise((resolve) => browser.once("exit", resolve));
  const [, , , input, output] = browser.stdio as unknown as [
    null,
    null,
    null,
    NodeJS.WritableStream,
    NodeJS.ReadableStream,
  ];
  const waiting = new Map<number, (result: Record<string, never>) => void>();
  const requests: string[] = [];
  const listeners = new Map<string, () => void>();
  let text = "";
  output.on("data", (chunk: Buffer) => {
    const parts = (text + chunk.toString()).split("\0");
    text = parts.pop() ?? "";
    for (const part of parts) {
      const { id, method = "", params, result } = JSON.parse(part) as Message;
      if (id !== undefined) waiting.get(id)?.(result ?? {});
      if (method === "Network.requestWillBeSent")
        requests.push((params?.["request"] as { url: string } | undefined)?.url ?? "");
      listeners.get(method)?.();
    }
  });
  let next = 1;
  const send = (method: string, params: object, sessionId?: string) =>
    new Promise<Record<string, never>>((resolve) => {
      const id = next++;
      waiting.set(id, resolve);
      input.write(`${JSON.stringify({ id, method, params, ...(sessionId && { sessionId }) })}\0`);
    });
  const { targetId } = await send("Target.createTarget", { url: "about:blank" });
  const session = (await send("Target.attachToTarget", { targetId, flatten: true }))["sessionId"] as unknown as string;
  // The browser's own window cannot be narrower than some 500 pixels.
  const metrics = { width, height: 900, deviceScaleFactor: 1, mobile: false };
  await send("Emulation.setDeviceMetricsOverride", metrics, session);
  await send("Network.enable", {}, session);
  await send("Page.enable", {}, session);
  const loaded = new Promise<void>((resolve) => listeners.set("Page.loadEventFired", resolve));
  await send("Page.navigate", { url: `file://${file}` }, session);
  await loaded;
  return {
    requests,
    async evaluate(expression) {
      const { result } = await send("Runtime.evaluate", { expression, returnByValue: true }, session);
      return (result as unknown as { value: unknown }).value;
    },
    async close() {
      // What is started is a script: its end would leave the browser.
      void send("Browser.close", {});
      await ended;
      rmSync(profile, { recursive: true, force: true, maxRetries: 10 });
    },
  };
}
