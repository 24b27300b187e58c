import * as pulumi from "@pulumi/pulumi";
import { beforeAll, beforeEach, expect, it } from "vitest";
import { HostGroup } from "../../../components/host-group.ts";

const registered: string[] = [];

beforeAll(async () => {
  await pulumi.runtime.setMocks({
    newResource: ({ type, name, inputs }) => {
      registered.push(`${type}::${name}`);
      return { id: name, state: inputs };
    },
    call: () => ({}),
  });
});
beforeEach(() => void registered.splice(0));

const group = (name: string, loadedAs: string) =>
  new HostGroup(name, { group: loadedAs, members: [], make: () => Promise.reject(new Error("makes no host")) });

it("refuses a name that is not the one it was loaded with, and registers nothing", async () => {
  expect(() => group("workers", "worker")).toThrow(
    /^HostGroup "workers": it was loaded as "worker".*Use one name in both places: new HostGroup\("worker", await loadGroup\("worker", /,
  );
  await pulumi.runtime.disconnect();
  expect(registered).toEqual([]);
});

it("takes the name that it was loaded with", async () => {
  group("builders", "builders");
  await pulumi.runtime.disconnect();
  expect(registered).toEqual(["clawdlets:index:HostGroup::builders"]);
});
