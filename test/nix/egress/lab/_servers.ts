import { join } from "node:path";
import { createInterface } from "node:readline";
import { execa } from "execa";
import { bundle } from "../../../_bundle.ts";
import { type Netns, printed } from "./_netns.ts";
import type { PeerOptions } from "./_peer.ts";
import * as world from "./_world.ts";

/** Puts a program beside this one together, for node. @param folder where to */
export const program = (file: string, folder: string) => bundle(join(import.meta.dirname, file), folder);

/** Servers everywhere, so that what gets through is answered. @param folder for the key of those that speak TLS */
export async function serve(net: Netns, folder: string): Promise<void> {
  const files = { keyFile: join(folder, "key.pem"), certFile: join(folder, "cert.pem") };
  const kind = ["-x509", "-nodes", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-subj", "/CN=lab"];
  await execa("openssl", ["req", ...kind, "-days", "1", "-keyout", files.keyFile, "-out", files.certFile]);
  const common = { ...files, udp: [9, 53, 443, 587] };
  const { internet, inside, metadata, host, container } = world;
  const peers: Record<string, PeerOptions> = {
    internet: { addresses: Object.values(internet), tcp: [22, 53, 80, 443, 8443, ...world.smtpPorts], ...common },
    inside: { addresses: Object.values(inside), tcp: [80, 443], ...common },
    metadata: { addresses: Object.values(metadata), tcp: [80, 443], ...common },
    // sshd, the proxy's ports, another bot's listener and the bot's own.
    host: { addresses: ["127.0.0.1", "::1", host.v4, host.v6], tcp: [22, 80, 443, 8080, 18789], ...common },
    container: { addresses: [container.v4], tcp: [80], ...common },
  };
  const peer = await program("_peer.ts", folder);
  await Promise.all(
    Object.entries(peers).map(async ([name, options]) => {
      await printed(net.start(name, "node", [peer, JSON.stringify(options)]), "ready");
    }),
  );
}

/** The host's resolver, which knows `world.names` and nothing else. @param asked takes a line for each question */
export async function resolve(net: Netns, asked: string[]): Promise<void> {
  const hosts = Object.entries(world.names).map(([name, at]) => `--host-record=${[name, ...at].join(",")}`);
  const alone = ["--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--user=root"];
  const at = [`--listen-address=${world.resolver}`, "--bind-interfaces", "--pid-file="];
  const resolver = net.start("host", "dnsmasq", [...alone, ...at, "--log-queries", "--log-facility=-", ...hosts]);
  await printed(resolver, "started");
  createInterface({ input: resolver.all }).on("line", (line) => {
    if (line.includes("query[")) asked.push(line);
  });
}
