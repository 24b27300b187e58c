// @ts-check
// All loading of TypeScript goes through here. Predictable names in /tmp: tsx caches compiled code in /tmp/tsx-<uid> and runs what it
// finds there, although any user of the machine can create that folder; it also looks there for its parent's socket. The same goes
// for Node's own cache (/tmp/node-compile-cache) in child processes.
process.env.TSX_DISABLE_CACHE = "1";
process.env.NODE_DISABLE_COMPILE_CACHE = "1";

/**
 * Runs `load`, which loads tsx, with a temporary folder that nobody can write to. tsx reads its name once.
 * @template T
 * @param {() => T | Promise<T>} load
 * @returns {T | Promise<T>}
 */
function withNothingShared(load) {
  const before = process.env.TMPDIR;
  const restore = () => {
    if (before === undefined) delete process.env.TMPDIR;
    else process.env.TMPDIR = before;
  };
  process.env.TMPDIR = "/dev/null";
  let loaded;
  try {
    loaded = load();
  } catch (error) {
    restore();
    throw error;
  }
  if (loaded instanceof Promise) return loaded.finally(restore);
  restore();
  return loaded;
}

exports.withNothingShared = withNothingShared;
