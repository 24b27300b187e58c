import * as pulumi from "@pulumi/pulumi";
import { version } from "@pulumi/pulumi/version.js";
import { olderThan } from "../../core/base/versions.ts";

/** The oldest versions that we test with. package.json has the same, but npm only warns. */
const needed = { node: "20.19.0", pulumi: "3.276.0" };

/** A one-line error for older versions, instead of an obscure stack trace. */
export function requirementProblem(found: { node: string; pulumi: string }): string | undefined {
  if (olderThan(found.node, needed.node)) {
    return `@clawdlets/infra needs Node ${needed.node} or newer; this is ${found.node}. Install it: https://nodejs.org/en/download`;
  }
  if (olderThan(found.pulumi, needed.pulumi)) {
    return `@clawdlets/infra needs @pulumi/pulumi ${needed.pulumi} or newer; this program has ${found.pulumi}. Run: npm install @pulumi/pulumi@^${needed.pulumi}`;
  }
  return undefined;
}

const problem = requirementProblem({ node: process.versions.node, pulumi: version });
if (problem !== undefined) throw new pulumi.RunError(problem);
