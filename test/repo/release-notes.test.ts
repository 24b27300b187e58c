import { expect, test } from "vitest";
import { notesOf } from "../../scripts/release-notes.ts";

const changelog =
  "# Changelog\n\n## Unreleased\n\n- soon\n\n## 1.2.3 (2026-11-25)\n\n### Added\n\n- this\n\n## 1.2.2\n\n- that\n";

test("a release has its own section of the changelog, and no other", () => {
  expect(notesOf(changelog, "v1.2.3")).toBe("### Added\n\n- this\n");
  expect(notesOf(changelog, "v1.2.2")).toBe("- that\n");
});

test.each([
  ["v1.2.4", 'has no section "## 1.2.4"'],
  ["v1.2", '"v1.2" is no version'],
  ["Unreleased", "is no version"],
  ["", "is no version"],
])("refuses %j", (tag, message) => expect(() => notesOf(changelog, tag)).toThrow(message));
