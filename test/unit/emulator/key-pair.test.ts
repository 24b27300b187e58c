import ssh2 from "ssh2";
import { expect, it } from "vitest";
import { type KeyPair, newKeyPair } from "../../../emulator/machine/key-pair.ts";

const good = newKeyPair();
const malformed: KeyPair = { ...good, private: good.private.replace(/\n.{20}/, "\nAAAAAAAAAAAAAAAAAAAA") };

/** Pairs in this order, the last one for ever. */
const inTurn =
  (...pairs: KeyPair[]) =>
  () =>
    (pairs.length > 1 ? pairs.shift() : pairs[0]) ?? good;

it("is another pair where ssh2 made one that it cannot read", () => {
  expect(ssh2.utils.parseKey(malformed.private)).toBeInstanceOf(Error);
  expect(newKeyPair(inTurn(malformed, malformed, good))).toEqual(good);
});

it("ends where every one is malformed", () => {
  expect(() => newKeyPair(inTurn(malformed))).toThrow("ten keys that it cannot read");
});
