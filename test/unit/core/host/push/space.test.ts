import { describe, expect, it } from "vitest";
import {
  checkBuildSpace,
  copyProblem,
  sourceProblem,
  spaceOf,
  spaceProblem,
  unchecked,
} from "../../../../../core/host/push/space.ts";

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

describe("what a host says of its space", () => {
  const meminfo = "MemTotal:  4000000 kB\nMemAvailable:  1000 kB\nSwapFree:  500 kB\n";
  it.each([
    ["both", { memory: meminfo, disk: "Avail\n4096" }, 1500 * 1024, 4096],
    ["no line for swap", { memory: "MemAvailable: 1000 kB", disk: "4096" }, 1000 * 1024, 4096],
    ["no MemAvailable", { memory: "MemTotal: 4000000 kB\nSwapFree: 500 kB", disk: "4096" }, undefined, 4096],
    ["no memory that is a number", { memory: "MemAvailable: many kB", disk: "4096" }, undefined, 4096],
    ["no free space", { memory: meminfo, disk: "" }, 1500 * 1024, undefined],
    ["neither", { memory: "", disk: "" }, undefined, undefined],
  ])("is read with %s", (_, answers, memory, disk) => {
    expect(spaceOf(answers)).toEqual({ memory, disk });
  });

  it.each([
    ["nothing", { memory: 1, disk: 1 }, []],
    ["memory", { memory: undefined, disk: 1 }, [/^free memory not checked: .* 1024 MiB$/]],
    ["disk space", { memory: 1, disk: undefined }, [/^free disk space not checked: .* 2048 MiB$/]],
    ["both", { memory: undefined, disk: undefined }, [/^free memory/, /^free disk space/]],
  ])("names what was not checked: %s", (_, space, lines) => {
    expect(unchecked(space)).toEqual(lines.map((line) => expect.stringMatching(line)));
  });
});

describe("the check before a build on a host", () => {
  /** Stands in for ssh and the host: answers the two questions, between the separators that they are asked with. */
  const host = (meminfo: string) => async (command: string) => {
    const separators = command.match(/--clawdlets-[0-9a-f]+--/g) ?? [];
    const answers = [meminfo, "Avail\n9999999999\n"];
    const stdout = separators.map((separator, index) => `${separator}\n${answers[index]}`).join("\n");
    return { exitCode: 0, stdout, stderr: "" };
  };

  it("reports a memory that the host does not tell, and goes on", async () => {
    const lines: string[] = [];
    await checkBuildSpace("web-1", host("MemTotal: 1 kB\n"), (line) => void lines.push(line));
    expect(lines).toEqual([expect.stringContaining("free memory not checked")]);
  });

  it("reports nothing when both are known and enough", async () => {
    const lines: string[] = [];
    await checkBuildSpace("web-1", host("MemAvailable: 1048576 kB\n"), (line) => void lines.push(line));
    expect(lines).toEqual([]);
  });

  it("leaves it to the next step to say why no login is possible", async () => {
    const lines: string[] = [];
    const closed = async () => ({ exitCode: 255, stdout: "", stderr: "Connection refused" });
    await checkBuildSpace("web-1", closed, (line) => void lines.push(line));
    expect(lines).toEqual([]);
  });

  it("refuses a KiB of memory too little, and reports nothing else", async () => {
    const lines: string[] = [];
    const check = checkBuildSpace("web-1", host("MemAvailable: 1048575 kB\n"), (line) => void lines.push(line));
    await expect(check).rejects.toMatchObject({ headline: { code: "memory-short", subject: "web-1" } });
    expect(lines).toEqual([]);
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

describe("a source that is copied to be built", () => {
  it.each([
    ["fits with what the build needs to the byte", 500 * mebibyte, 2548 * mebibyte, undefined],
    ["lacks a byte", 500 * mebibyte, 2548 * mebibyte - 1, "disk-full"],
    ["is there already, and the build has no space", 0, 2047 * mebibyte, "disk-full"],
  ])("%s", (_, bytes, free, code) => {
    expect(sourceProblem(bytes, free)?.code).toBe(code);
  });
});
