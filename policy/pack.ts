import { PolicyPack } from "@pulumi/policy";
import { policiesOf, stackFacts } from "./policies.ts";

new PolicyPack("clawdlets", { policies: policiesOf(stackFacts(process.env)) });
