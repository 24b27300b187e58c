/** fast-check, with the seed of the run where it has one (scripts/check.ts): who repeats the order repeats the inputs. */
import fc from "fast-check";

const seed = process.env["CLAWDLETS_TEST_SEED"];
if (seed !== undefined) fc.configureGlobal({ seed: Number(seed) });

export default fc;
