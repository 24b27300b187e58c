/** Finds a route by each `targetHost` and logs in over it, in this process's network namespace: `node _find-routes.ts REACH TARGET_HOSTS`. */
import { findRoute } from "../../../core/host/reach/route.ts";
import { ssh } from "../../../core/host/reach/ssh.ts";

const [reach, targetHosts] = process.argv.slice(2).map((text) => JSON.parse(text));
const found = [];
for (const targetHost of targetHosts) {
  const signal = AbortSignal.timeout(120_000);
  const way = await findRoute({ ...reach, local: { ...reach.local, targetHost: targetHost ?? undefined }, signal });
  const login = way.route && (await ssh(way.route, "true", { timeoutSeconds: 30 }));
  found.push({ ...way, exitCode: login?.exitCode });
}
process.stdout.write(`${JSON.stringify(found)}\n`);
