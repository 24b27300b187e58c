import { lstatSync, readFileSync, realpathSync, statSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { hasCode, messageOf } from "../../base/errors.ts";
import type { Objection, Problem } from "../../base/problem.ts";
import { leadsOut } from "../../base/text/inside.ts";
import type { Layout } from "../layout.ts";

/** Far above any real configuration or document; a larger file is there by mistake. */
const defaultMaxBytes = 1024 * 1024;

/**
 * Reads one file of a bot's folder.
 * @param path relative to the project, `bots/<name>/…`
 * @returns neither text nor problem when there is no such file
 */
export function readBotFile(
  { root }: Pick<Layout, "root">,
  path: string,
  maxBytes = defaultMaxBytes,
): { text?: string; problems: Problem[] } {
  const problem = (objection: Objection) => ({ problems: [{ subject: path, ...objection }] });
  const fix = "Put the file itself there.";
  try {
    const real = realpathSync(join(root, path));
    const [bots = "", bot = ""] = path.split("/");
    // A link is resolved wherever it is on the way: the folder may be one as well.
    if (leadsOut(relative(join(realpathSync(root), bots, bot), real))) {
      return problem({ code: "link-leads-out", problem: `is outside of ${bots}/${bot}, through a link.`, fix });
    }
    const stat = statSync(real);
    if (!stat.isFile()) return problem({ code: "file-unreadable", problem: "is not a plain file.", fix });
    if (stat.size > maxBytes) {
      const size = `has ${stat.size} bytes; allowed: up to ${maxBytes}.`;
      return problem({ code: "file-unreadable", problem: size, fix: "Is it the right file?" });
    }
    return {
      text: new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(readFileSync(real)),
      problems: [],
    };
  } catch (error) {
    if (hasCode(error, "ERR_ENCODING_INVALID_ENCODED_DATA")) {
      return problem({ code: "file-invalid", problem: "is not UTF-8 text.", fix: "Save it as UTF-8." });
    }
    if (hasCode(error, "ENOENT", "ENOTDIR") && !isDangling(join(root, path))) return { problems: [] };
    return problem({ code: "file-unreadable", problem: `cannot be read: ${messageOf(error)}.`, fix });
  }
}

/** True for a link that leads to nothing, as the file or as its folder. */
function isDangling(path: string): boolean {
  return [path, dirname(path)].some((each) => {
    const isLink = lstatSync(each, { throwIfNoEntry: false })?.isSymbolicLink() ?? false;
    return isLink && !statSync(each, { throwIfNoEntry: false });
  });
}
