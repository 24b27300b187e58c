import { isMap, isScalar, isSeq, type Node } from "yaml";
import { parsePlainYaml } from "../../../core/base/text/plain-yaml.ts";

/**
 * The line of a setting in a stack file: of the key itself, else of the nearest that is there (`config:`, or the first line).
 * @param setting as problems name it, undefined for the whole file; e.g. `clawdlets:install.deadlines.kexec` or `clawdlets:bots.1`
 * @returns a line from 1
 */
export function settingLine(text: string, setting: string | undefined): number {
  const { document, problems } = parsePlainYaml(text, "");
  const [broken] = problems;
  if (broken?.at) return broken.at.line;
  if (setting === undefined) return 1;
  let holder: unknown = document?.contents;
  let offset = 0;
  for (const part of ["config", ...setting.split(".")]) {
    const found = childOf(holder, part);
    if (!found) break;
    offset = found.at;
    holder = found.value;
  }
  return text.slice(0, offset).split("\n").length;
}

function childOf(holder: unknown, part: string): { at: number; value: unknown } | undefined {
  if (isMap(holder)) {
    const pair = holder.items.find(({ key }) => isScalar(key) && String(key.value) === part);
    return pair && isScalar(pair.key) ? { at: startOf(pair.key), value: pair.value } : undefined;
  }
  const item = isSeq(holder) && /^\d+$/.test(part) ? holder.items[Number(part)] : undefined;
  return item === undefined ? undefined : { at: startOf(item as Node), value: item };
}

const startOf = ({ range }: Node) => range?.[0] ?? 0;
