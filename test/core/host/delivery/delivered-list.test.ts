import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import { expect, it } from "vitest";
import { deliveredPaths, pathLines, removeEach } from "../../../../core/host/delivery/delivered-list.ts";
import { temporaryFolder } from "../../../_project.ts";

const file = (path: string) => ({ path, mode: 0o600, content: "x" });

it("names files, and the folders that they need with a slash at the end, each once", () => {
  expect(deliveredPaths([file("/opt/a/b"), file("/opt/a/c"), { path: "/srv", mode: 0o755, content: null }])).toEqual([
    "/opt/a/b",
    "/opt/a/",
    "/opt/",
    "/opt/a/c",
    "/srv/",
  ]);
});

it("removes files and then their folders, in a real shell, and nothing else", async () => {
  const root = temporaryFolder();
  const put = (path: string) => {
    mkdirSync(join(root, path, ".."), { recursive: true });
    writeFileSync(join(root, path), "x");
  };
  for (const path of ["opt/a b'c/$x", "opt/a b'c/d/e", "opt/shared/ours", "opt/shared/theirs", "opt/turned/inside"])
    put(path);
  put("srv/now-a-file");
  mkdirSync(join(root, "opt/empty"));
  const paths = [
    ...deliveredPaths([file("/opt/a b'c/$x"), file("/opt/a b'c/d/e"), file("/opt/shared/ours")]),
    "/opt/turned", // A folder meanwhile.
    "/srv/now-a-file/inside", // And the other way round.
    "/gone",
    "/gone/",
  ];
  const { exitCode, stderr } = await execa("bash", ["--norc", "-c", `set -eu; ${removeEach(root)}`], {
    input: pathLines(paths),
  });
  expect([exitCode, stderr]).toEqual([0, ""]);
  const left = readdirSync(root, { recursive: true, encoding: "utf8" }).sort();
  expect(left).toEqual([
    "opt",
    "opt/empty",
    "opt/shared",
    "opt/shared/theirs",
    "opt/turned",
    "opt/turned/inside",
    "srv",
    "srv/now-a-file",
  ]);
});
