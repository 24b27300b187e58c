/** Finds a route and logs in over it, in this process's network namespace: `node _find-route.ts JSON`. */
import { findRoute } from "../../../core/host/reach/route.ts";
import { ssh } from "../../../core/host/reach/ssh.ts";

const found = await findRoute({ ...JSON.parse(process.argv[2] ?? ""), signal: AbortSignal.timeout(60_000) });
const login = found.route && (await ssh(found.route, "true", { timeoutSeconds: 20 }));
process.stdout.write(`${JSON.stringify({ ...found, exitCode: login?.exitCode })}\n`);
