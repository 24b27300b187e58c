import { spawn } from "node:child_process";
import { UserError } from "../../core/base/errors.ts";
import { cleanEnvironment } from "../../core/base/machine/environment.ts";
import { findRoute, noRoute } from "../../core/host/reach/route.ts";
import { type SshRoute, ssh, strictOptions } from "../../core/host/reach/ssh.ts";
import { findLayout, type Layout } from "../../core/project/layout.ts";
import { type HostSettings, type LocalSettings, loadHost } from "../../core/project/settings/host.ts";
import { stopSignal } from "../../engine/signals.ts";
import { behindWindow } from "../shared/behind-window.ts";
import { chooseHost } from "../shared/choose.ts";

export interface ServerOptions {
  host?: string;
  window?: boolean;
  json?: boolean;
}

/** One host, and a way in under its pinned key. */
export interface Session {
  layout: Layout;
  host: string;
  settings: HostSettings;
  local: LocalSettings;
  route: SshRoute;
  signal: AbortSignal;
  /** @throws UserError where there is no session; what the command itself says is the caller's to judge */
  run: (
    command: string,
    options?: { input?: string; timeoutSeconds?: number },
  ) => Promise<{ exitCode: number; stdout: string; stderr: string }>;
}

/** Does `work` with a way to the host: tailnet, public address where that is exposed, or a window that is closed after it. */
export async function withSession<T>(options: ServerOptions, work: (session: Session) => Promise<T>): Promise<T> {
  const layout = findLayout(process.cwd());
  const host = chooseHost(layout, options.host);
  const { settings, local } = loadHost(layout, host, process.env, { token: options.window === true });
  const signal = stopSignal();
  const reach = { layout, settings, local, signal };
  const withRoute = (route: SshRoute) => {
    const run: Session["run"] = async (command, { input, timeoutSeconds = 60 } = {}) => {
      const given = input === undefined ? {} : { input: Buffer.from(input) };
      const result = await ssh(route, command, { timeoutSeconds, signal, ...given });
      if (result.exitCode !== 255) return result;
      throw new UserError({
        subject: host,
        problem: `no ssh session with the pinned key: ${result.stderr.trim() || "ssh said nothing"}`,
      });
    };
    return work({ ...reach, host, route, run });
  };
  if (options.window) return behindWindow(reach, 10, withRoute);
  const found = await findRoute(reach);
  if (found.route) return withRoute(found.route);
  throw noRoute(host, found, "If the host lets ssh in publicly, pass --window; otherwise use its console.");
}

/**
 * Hands this terminal to ssh: what it prints comes as it is, and Ctrl-C or SIGTERM ends it.
 * @param input sent to the command in place of what is typed
 * @returns its exit code
 */
export async function attach(
  { route, signal }: Session,
  command: readonly string[],
  options: string[] = [],
  input?: string,
): Promise<number> {
  const args = [
    ...strictOptions(route),
    ...options,
    "-i",
    route.identity,
    `${route.user}@${route.address}`,
    ...command,
  ];
  const env = cleanEnvironment(route.agent === undefined ? {} : { SSH_AUTH_SOCK: route.agent });
  const child = spawn("ssh", args, { stdio: [input === undefined ? "inherit" : "pipe", "inherit", "inherit"], env });
  // EPIPE: ssh has ended already, and its exit code says why.
  child.stdin?.on("error", () => undefined).end(input);
  signal.addEventListener("abort", () => child.kill(), { once: true });
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => resolve(code ?? 130));
  });
}
