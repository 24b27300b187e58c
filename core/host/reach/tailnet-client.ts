import { z } from "zod";
import { isOnThisMachine } from "../../base/hetzner/endpoint.ts";
import { cleanEnvironment } from "../../base/machine/environment.ts";
import { run } from "../../base/machine/run.ts";
import type { Objection } from "../../base/problem.ts";
import { parseJsonText } from "../../base/text/json-text.ts";
import { safeText } from "../../base/wording.ts";
import type { LocalSettings } from "../../project/settings/host.ts";
import { expiryOf } from "./tailnet-expiry.ts";

const node = z.object({
  /** As the control server's API names it. */
  ID: z.string().default(""),
  /** Its node key, as the control server's API shows it. */
  PublicKey: z.string().default(""),
  HostName: z.string().default(""),
  /** `web-1.tail1234.ts.net.`: unique in the tailnet, unlike the host name. */
  DNSName: z.string().default(""),
  TailscaleIPs: z.array(z.string()).nullish(),
  Tags: z.array(z.string()).nullish(),
  Online: z.boolean().default(false),
  /** Headscale keeps reporting an expired node as online (juanfont/headscale#3470). */
  Expired: z.boolean().default(false),
  /** Absent for a node whose key does not expire. */
  KeyExpiry: z.string().nullish(),
});
export type TailnetNode = z.infer<typeof node>;

const status = z.object({
  BackendState: z.string().default("Running"),
  /** False: userspace networking, where only tailscaled itself can connect to the tailnet. */
  TUN: z.boolean().default(true),
  Self: node.nullish(),
  Peer: z.record(z.string(), node).nullish(),
});

/** This machine's tailscale, as it can be used now. */
export interface TailnetClient {
  /** Why nothing can be reached over the tailnet. */
  problem?: Objection;
  /** What still works, but not for long. */
  warnings: Objection[];
  /** Userspace networking, without a tunnel device: connections have to go through `tailscale nc`. */
  isUserspace: boolean;
  peers: TailnetNode[];
}

type Local = Pick<LocalSettings, "tailscale" | "endpoint" | "token">;

/** Reads the state of this machine's tailscale. @throws UserError if the program is not installed */
export async function readTailnetClient(local: Local, signal?: AbortSignal, now = new Date()): Promise<TailnetClient> {
  // The emulator's stand-in for tailscale asks the emulator; the real one gets nothing of Hetzner, not even the token.
  const standIn = isOnThisMachine(local.endpoint);
  const env = cleanEnvironment(standIn ? { HCLOUD_ENDPOINT: local.endpoint, HCLOUD_TOKEN: local.token } : {});
  const { exitCode, stdout, stderr } = await run(local.tailscale, ["status", "--json"], {
    timeoutSeconds: 20,
    env,
    ...(signal && { signal }),
  });
  const parsed = status.safeParse(parseJsonText(stdout, "tailscale status").value);
  if (exitCode !== 0 || !parsed.success) return silent(lastLine(stderr) || lastLine(stdout));
  const { BackendState, TUN, Self, Peer } = parsed.data;
  const own = Self ? expiryOf(Self, now) : undefined;
  const problem = problemOf(BackendState, own?.state === "expired" ? own.on : undefined);
  const expires: Objection[] =
    own?.state === "soon"
      ? [
          {
            code: "tailnet-expiry",
            problem: `this machine's tailnet key expires on ${own.on}, in ${own.inWords}.`,
            fix: "Renew it before then: tailscale up --force-reauth",
          },
        ]
      : [];
  return {
    ...(problem && { problem }),
    warnings: problem ? [] : expires,
    isUserspace: !TUN,
    peers: Object.values(Peer ?? {}),
  };
}

const silent = (said: string): TailnetClient => ({
  problem: {
    code: "tailnet-client",
    problem: `tailscaled on this machine does not answer${said === "" ? "." : `: ${said.replace(/[.\s]+$/, "")}.`}`,
    fix: "Start it: sudo systemctl start tailscaled; on macOS, open the Tailscale app.",
  },
  warnings: [],
  isUserspace: false,
  peers: [],
});

/** While the client is not running, its list of peers is what it was: it goes on calling them online. */
function problemOf(state: string, expiredOn: string | undefined): Objection | undefined {
  const objection = (problem: string, fix: string): Objection => ({ code: "tailnet-client", problem, fix });
  if (expiredOn !== undefined) {
    return objection(
      `this machine's tailnet key expired on ${expiredOn}.`,
      "Log in again: tailscale up --force-reauth",
    );
  }
  switch (state) {
    case "Running":
      return undefined;
    case "Stopped":
      return objection("Tailscale is stopped on this machine.", "Start it: tailscale up");
    case "NeedsLogin":
      return objection("this machine is logged out of its tailnet.", "Log in: tailscale up");
    case "NeedsMachineAuth":
      return objection("this machine waits to be approved in the tailnet's admin console.", "Approve it there.");
    case "NoState":
    case "Starting":
      return objection(
        `Tailscale on this machine is still starting (${state}).`,
        "If that lasts, its control server cannot be reached: tailscale netcheck",
      );
    default:
      return objection(`Tailscale on this machine is in the state ${safeText(state)}.`, "Check it: tailscale status");
  }
}

const lastLine = (text: string) => safeText(text.trim().split("\n").at(-1) ?? "");
