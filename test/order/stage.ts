/**
 * A step of a story that several tests build on: it runs on first use, and every test that needs it awaits it and gets what it
 * returned. So each test of a slow story runs alone and in any order, and a whole file takes no longer than its steps.
 */
export function stage<T>(run: () => Promise<T>): () => Promise<T> {
  let result: Promise<T> | undefined;
  return () => {
    result ??= run();
    return result;
  };
}
