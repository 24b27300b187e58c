import { describe, expect, it } from "vitest";
import { copyProblem, spaceProblem } from "../../../../../core/host/push/space.ts";

const mebibyte = 1024 ** 2;

describe("a build on a host", () => {
  it.each([
    ["exactly enough of both", 1024 * mebibyte, 2048 * mebibyte, undefined],
    ["a byte of memory too little", 1024 * mebibyte - 1, 2048 * mebibyte, "memory-short"],
    ["a byte of disk space too little", 1024 * mebibyte, 2048 * mebibyte - 1, "disk-full"],
    ["nothing of either", 0, 0, "memory-short"],
    ["memory that the host does not tell", undefined, 2048 * mebibyte, undefined],
    ["disk space that the host does not tell", 1024 * mebibyte, undefined, undefined],
  ])("with %s", (_, memory, disk, code) => {
    expect(spaceProblem({ memory, disk })?.code).toBe(code);
  });

  it("is refused with what it needs, what is free, and what to do", () => {
    const problem = spaceProblem({ memory: 512 * mebibyte, disk: undefined });
    expect(problem?.problem).toContain("about 1024 MiB of memory, and 512 MiB are free");
    expect(problem?.fix).toContain('clawdlets:rebuild.buildOn: "local"');
  });
});

describe("a system that is copied", () => {
  it.each([
    ["fits with the reserve to the byte", 500 * mebibyte, 1524 * mebibyte, undefined],
    ["lacks a byte", 500 * mebibyte, 1524 * mebibyte - 1, "disk-full"],
    ["is there already, on a disk without the reserve", 0, 1023 * mebibyte, "disk-full"],
    ["is there already", 0, 1024 * mebibyte, undefined],
  ])("%s", (_, bytes, free, code) => {
    expect(copyProblem(bytes, free)?.code).toBe(code);
  });
});
