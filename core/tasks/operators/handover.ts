import { writePrivateFileSync } from "../../base/machine/private-files.ts";
import type { Layout } from "../../project/layout.ts";
import { refuseForeignFolder } from "../../project/own-folder.ts";
import { asOnlyWriter } from "../../project/project-lock.ts";
import { readOperators } from "../../project/secrets/keys/operators.ts";
import { readStackJson } from "../../project/settings/stack-json/stack-json.ts";
import { readProjectFile } from "../../project/state/project-file.ts";
import { pack, readContents } from "../vault/contents.ts";
import { checkTarget, seal } from "../vault/sealed.ts";
import { findOperator } from "./directory.ts";

export interface HandoverRequest {
  layout: Layout;
  name: string;
  /** Absolute path of the result. */
  file: string;
  /** Replace an existing file. */
  force: boolean;
}

export interface HandedOver {
  file: string;
  operator: string;
  files: number;
  at: string;
  /** False if the engine's state is only on this machine: then the other cannot run `up`. */
  sharesState: boolean;
}

/**
 * Whether a file of `.clawdlets` is the project's and not one operator's: not their identity, tokens and logs, and not a state on
 * this machine, of which there must be one.
 */
export const isShared = (path: string, envFile = ".env"): boolean =>
  !(
    path === envFile ||
    path === ".env" ||
    /^secrets\/operators\/.*\.agekey/.test(path) ||
    /^(?:state|dist|fleet)(?:\/|$)/.test(path) ||
    /^hosts\/[^/]+\/(?:logs(?:\/|$)|windows\.jsonl$|state(?:-broken)?\.json$)/.test(path)
  );

/** Writes what another operator needs of `.clawdlets` to one file that only they can open. @throws UserError before anything is written */
export async function exportHandover(request: HandoverRequest): Promise<HandedOver> {
  const { layout, name, file, force } = request;
  refuseForeignFolder(layout);
  const operator = findOperator(readOperators(layout), name);
  checkTarget(layout, file, force);
  // Not in the middle of a change of keys: the other operator would get half of it.
  return asOnlyWriter(layout, () => write(request, operator));
}

async function write({ layout, file }: HandoverRequest, operator: { name: string; recipient: string }) {
  const { value } = readStackJson(layout);
  const contents = readContents(layout).filter(({ path }) => isShared(path, value?.envFile));
  const at = new Date().toISOString();
  const archive = await pack(contents, { at, hosts: Object.keys(value?.hosts ?? {}).sort() });
  writePrivateFileSync(file, Buffer.from(await seal(archive, { recipients: [operator.recipient] })));
  const sharesState = !readProjectFile(layout).hasLocalState;
  return { file, operator: operator.name, files: contents.length, at, sharesState };
}
