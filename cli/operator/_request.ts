import { findLayout } from "../../core/project/layout.ts";
import type { OperatorsRequest } from "../../core/tasks/operators/project.ts";
import { engineOrSetUp } from "../../engine/environment.ts";
import { startProgress } from "../screen/index.ts";

/** What the commands that read or write sops files need. */
export async function operatorsRequest(): Promise<OperatorsRequest> {
  const layout = findLayout(process.cwd());
  const { sops } = await engineOrSetUp(startProgress());
  return { layout, environment: process.env, sops };
}
