import type { Problem } from "../../../base/problem.ts";
import { safeText } from "../../../base/wording.ts";
import { notSaid, rebuildFix, type Settings } from "./common.ts";

export function fileProblems(lines: readonly string[], { host }: Settings): Problem[] {
  if (lines.length === 0) return [notSaid(host, "find")];
  return lines.flatMap((line): Problem[] => {
    const [, modeText = "", uid, gid, type, path = ""] = /^(\d+) (\d+) (\d+) (.) (.*)$/s.exec(line) ?? [];
    const mode = Number.parseInt(modeText, 8);
    const isKey = /\.txt$|ssh_host_ed25519_key$/.test(path);
    const why =
      type === "l"
        ? undefined
        : type === "d"
          ? (mode & 0o022) !== 0 && "others than its owner can write to it"
          : isKey
            ? ((mode & 0o077) !== 0 && "others than root can read it") || (uid !== "0" && `belongs to user ${uid}`)
            : ((mode & 0o007) !== 0 && "every user of the host can read it") ||
              ((mode & 0o060) !== 0 && gid !== "0" && `group ${gid} can read it`);
    if (!why) return [];
    return [
      {
        code: "file-exposed",
        subject: host,
        setting: safeText(path, 200),
        problem: `has mode ${modeText.padStart(4, "0")}: ${why}.`,
        fix: rebuildFix(host),
      },
    ];
  });
}
