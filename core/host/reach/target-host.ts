import { run } from "../../base/machine/run.ts";
import { shellQuoted } from "../../base/wording.ts";

/** How the operator's own ssh configuration reaches a destination. */
export interface TargetHost {
  address: string;
  /** Left out for ssh's default. */
  port?: number;
  /** What connects in ssh's place: `ProxyCommand`, or a command for `ProxyJump`. */
  proxyCommand?: string;
}

/**
 * Resolves `targetHost` of stack.json as ssh does, with the operator's own configuration: a name, an address, or an alias for a host
 * behind WireGuard or a jump host. Only the way is taken from it: user, key, host key and all other options stay ours. To a jump host
 * ssh connects as that configuration says.
 * @returns undefined if ssh cannot read its configuration
 */
export async function resolveTargetHost(targetHost: string, signal: AbortSignal): Promise<TargetHost | undefined> {
  const { exitCode, stdout } = await run("ssh", ["-G", "--", targetHost], { timeoutSeconds: 20, signal });
  if (exitCode !== 0) return undefined;
  const lines = stdout.split("\n").map((line) => /^(\S+) (.*)$/.exec(line));
  const settings = new Map(lines.map((line) => [line?.[1] ?? "", line?.[2] ?? ""]));
  const address = settings.get("hostname") ?? "";
  if (address === "") return undefined;
  const port = Number(settings.get("port"));
  const proxyCommand = proxyCommandOf(settings.get("proxycommand"), settings.get("proxyjump"));
  return {
    address,
    ...(port > 0 && port !== 22 && { port }),
    ...(proxyCommand !== undefined && { proxyCommand }),
  };
}

/** ssh gives the user's shell a proxy command, after replacing %h, %p and %r in it. */
function proxyCommandOf(command = "none", jumps = "none"): string | undefined {
  if (command !== "none") return command;
  if (jumps === "none") return undefined;
  const hops = jumps.split(",");
  const last = hops.pop() ?? "";
  const words = ["ssh", "-o", "BatchMode=yes", ...(hops.length === 0 ? [] : ["-J", hops.join(",")])];
  // A destination with a port is a URI, as ssh has no other form for it beside -p.
  const destination = /:\d+$/.test(last) && !last.startsWith("ssh://") ? `ssh://${last}` : last;
  const quoted = [...words, "-W", "[%h]:%p", "--", destination].map((word) =>
    word === "[%h]:%p" ? "'[%h]:%p'" : shellQuoted(word.replaceAll("%", "%%")),
  );
  return quoted.join(" ");
}
