/** What a Go test program says of each of its tests; one that started and did not end is `unfinished`. */
export type Outcome = "pass" | "fail" | "skip" | "unfinished";

/** Reads the output of `-test.v`. Subtests count with the test that they belong to. */
export function outcomesIn(output: string): Map<string, Outcome> {
  const outcomes = new Map<string, Outcome>();
  for (const line of output.split("\n")) {
    const started = /^=== RUN\s+(Test\w+)$/.exec(line)?.[1];
    if (started !== undefined) outcomes.set(started, "unfinished");
    const [, word, ended] = /^--- (PASS|FAIL|SKIP): (Test\w+) \(/.exec(line) ?? [];
    if (word !== undefined && ended !== undefined) outcomes.set(ended, word.toLowerCase() as Outcome);
  }
  return outcomes;
}

export interface Verdict {
  passed: number;
  failed: number;
  skipped: number;
  /** Failed or unfinished, and not known to. */
  unexpected: string[];
  /** Known to fail, and passed: the list of known deviations is out of date. */
  fixed: string[];
}

/** @param known the tests that are known to fail, of all packages */
export function judge(outcomes: ReadonlyMap<string, Outcome>, known: ReadonlySet<string>): Verdict {
  const names = (...wanted: Outcome[]) =>
    [...outcomes].filter(([, outcome]) => wanted.includes(outcome)).map(([name]) => name);
  const [passed, failed] = [names("pass"), names("fail", "unfinished")];
  return {
    passed: passed.length,
    failed: failed.length,
    skipped: names("skip").length,
    unexpected: failed.filter((name) => !known.has(name)),
    fixed: passed.filter((name) => known.has(name)),
  };
}
