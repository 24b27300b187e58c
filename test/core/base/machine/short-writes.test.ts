import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import { expect, it } from "vitest";
import { describeWith } from "../../../_needs.ts";
import { temporaryFolder } from "../../../_project.ts";
import { repository } from "../../../_repository.ts";

/** The kernel writes what there is room for and reports fewer bytes, without an error; only the next write would fail. */
describeWith({ programs: ["unshare", "mount"], root: true }, "a disk on which only a part of a file fits", () => {
  it.each(["writePrivateFile", "writePublicFile", "writePrivateFileSync"])(
    "is an error of %s, and the file that was there stays whole",
    async (name) => {
      const folder = temporaryFolder();
      const disk = join(folder, "disk");
      mkdirSync(disk);
      const file = join(disk, "file");
      const script = join(folder, "write.mts");
      writeFileSync(
        script,
        `import { ${name} } from ${JSON.stringify(join(repository, "core/base/machine/private-files.ts"))};
await ${name}(${JSON.stringify(file)}, "x".repeat(4_000_000));`,
      );
      const lines = `mount -t tmpfs -o size=1m tmpfs "$1"
printf 'the former content' >"$1/file"
"$2" --import "$3" "$4" || echo "exit $?"
ls "$1"
head -c 30 "$1/file"`;
      const words = [disk, process.execPath, join(repository, "bin/typescript.mjs"), script];
      const { stdout, stderr } = await execa("unshare", ["--mount", "sh", "-c", lines, "sh", ...words], {
        reject: false,
      });
      expect(stdout, stderr).toBe("exit 1\nfile\nthe former content");
      expect(stderr).toContain("ENOSPC");
      expect(stderr).toContain(file);
    },
  );
});
