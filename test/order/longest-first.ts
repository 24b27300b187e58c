import { existsSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { BaseSequencer, type TestSpecification } from "vitest/node";
import { repository } from "../_repository.ts";

/** Seconds by path, written by record.ts from the timings of a whole run. Files that share a process are left out. */
export const durationsFile = join(import.meta.dirname, "durations.json");

/** Where a file that is not in the table comes: one that was just written may take long. */
const unknownSeconds = 30;

const seconds: Readonly<Record<string, number>> = existsSync(durationsFile)
  ? JSON.parse(readFileSync(durationsFile, "utf8"))
  : {};

export interface Order {
  /** Path from the repository's root. */
  file: string;
  /** Has a process of its own. */
  isolated: boolean;
}

/**
 * Files that share a process come first, as they answer within seconds. Then the longest files, of all projects, so that no long one
 * is left for a single worker at the end. Vitest alone goes by project and by the size of the file.
 */
export function compare(a: Order, b: Order): number {
  if (a.isolated !== b.isolated) return a.isolated ? 1 : -1;
  return secondsOf(b) - secondsOf(a) || (a.file < b.file ? -1 : 1);
}

const secondsOf = ({ file, isolated }: Order) => seconds[file] ?? (isolated ? unknownSeconds : 0);

export default class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const ordered = files.map((spec) => ({
      spec,
      file: relative(repository, spec.moduleId),
      isolated: spec.project.config.isolate,
    }));
    return ordered.sort(compare).map(({ spec }) => spec);
  }
}
