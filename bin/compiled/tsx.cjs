// @ts-check
// Every place that loads TypeScript as it is does so by this. tsx keeps what it has translated in /tmp/tsx-<uid> and runs what
// it finds there, though anybody on the machine may have made that folder; its parent's socket is looked for there as well.
// The same for Node's own cache (/tmp/node-compile-cache), for what these processes start.
process.env.TSX_DISABLE_CACHE = "1";
process.env.NODE_DISABLE_COMPILE_CACHE = "1";

/**
 * Runs `load`, which loads tsx, with a folder for temporary files in which nobody can make anything. tsx reads its name once.
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
