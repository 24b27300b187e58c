export { policiesOf, stackFacts } from "./policies.ts";
export { type Finding, type PlannedResource, type Rule, rule, type StackFacts, unknown } from "./rule.ts";
export { rules } from "./rules/index.ts";
