/** Compares version numbers numerically: `3.99.0` is older than `3.260.0`. Ignores everything after `-` or `+`. */
export function olderThan(version: string, than: string): boolean {
  const parts = (text: string) =>
    text
      .replace(/^v|[-+].*$/g, "")
      .split(".")
      .map(Number);
  const [left, right] = [parts(version), parts(than)];
  const index = right.findIndex((part, place) => part !== (left[place] ?? 0));
  return index >= 0 && (left[index] ?? 0) < (right[index] ?? 0);
}
