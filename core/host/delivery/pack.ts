import { execa } from "execa";
import { type ExtraFile, stageExtraFiles } from "./extra-files.ts";

/** The files as a tar, with their modes. Stages them in a private folder meanwhile. */
export async function packFiles(staging: string, files: readonly ExtraFile[]): Promise<Buffer> {
  const unstage = stageExtraFiles(staging, files);
  try {
    const names = [...new Set(files.map(({ path }) => path.split("/")[1] ?? ""))];
    const { stdout } = await execa("tar", ["-C", staging, "-cf", "-", ...names], { encoding: "buffer" });
    return Buffer.from(stdout);
  } finally {
    unstage();
  }
}
