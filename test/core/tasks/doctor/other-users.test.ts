import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { checkOtherUsers, otherPeople } from "../../../../core/tasks/doctor/other-users.ts";
import { temporaryFolder } from "../../../_project.ts";

it.each<[string, string, string[]]>([
  ["a person", "anna:x:1000:1000:Anna:/home/anna:/bin/bash", ["anna"]],
  ["a person without a shell of their own", "anna:x:1001:1001::/home/anna:", ["anna"]],
  ["ourselves", "me:x:1234:1234::/home/me:/bin/zsh", []],
  ["root", "root:x:0:0:root:/root:/bin/bash", []],
  ["a service", "sshd:x:105:65534::/run/sshd:/usr/sbin/nologin", []],
  ["a service of systemd's range", "x:x:61184:61184::/:/usr/sbin/nologin", []],
  ["nobody", "nobody:x:65534:65534:nobody:/nonexistent:/bin/sh", []],
  ["who may not log in", "old:x:1002:1002::/home/old:/bin/false", []],
  ["nothing", "", []],
])("an account of %s", (_, line, people) => expect(otherPeople(`${line}\n`, 1234, false)).toEqual(people));

it("warns where the engine serves anybody, and other people have an account", () => {
  const file = join(temporaryFolder(), "passwd");
  writeFileSync(file, "anna:x:1000:1000::/home/anna:/bin/bash\n");
  expect(checkOtherUsers(false, file)).toMatchObject([
    { status: "warning", check: "other users", problem: expect.stringContaining("(anna) can have it run commands") },
  ]);
  expect(checkOtherUsers(true, file)).toMatchObject([{ status: "ok" }]);
  writeFileSync(file, "root:x:0:0:root:/root:/bin/bash\n");
  expect(checkOtherUsers(false, file)).toMatchObject([{ status: "ok" }]);
  expect(checkOtherUsers(false, `${file}-none`)).toMatchObject([{ status: "ok" }]);
});
