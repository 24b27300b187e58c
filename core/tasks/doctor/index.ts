import type { DoctorContext } from "./context.ts";
import { checkDeploy } from "./deploy.ts";
import type { Finding, Scope } from "./finding.ts";
import { checkRepo } from "./repo.ts";
import { checkStack } from "./stack.ts";

export type { DoctorContext, Leak } from "./context.ts";
export { exitCodeOf, type Finding, type Scope, scopes } from "./finding.ts";

const checks: Record<Scope, (context: DoctorContext) => Promise<Finding[]>> = {
  repo: checkRepo,
  stack: checkStack,
  deploy: checkDeploy,
};

/** Runs all checks of some scopes. Changes nothing. */
export async function examine(context: DoctorContext, wanted: readonly Scope[]): Promise<Finding[]> {
  const found: Finding[] = [];
  for (const scope of wanted) found.push(...(await checks[scope](context)));
  return found;
}
