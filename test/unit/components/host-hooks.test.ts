import * as pulumi from "@pulumi/pulumi";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { sayIfSlow } from "../../../components/internal/host-hooks.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

it("says what a check before a purchase takes long for, once, and only while it runs", async () => {
  const info = vi.spyOn(pulumi.log, "info").mockResolvedValue(undefined);
  let finish: () => void = () => undefined;
  const checking = sayIfSlow("web-1", new Promise((resolve) => (finish = resolve)));
  await vi.advanceTimersByTimeAsync(14_000);
  expect(info).not.toHaveBeenCalled();
  await vi.advanceTimersByTimeAsync(60_000);
  expect(info.mock.calls.map(([text]) => text)).toEqual([expect.stringMatching(/^web-1: still checking .*flake/)]);
  finish();
  await checking;
  await expect(sayIfSlow("web-1", Promise.reject(new Error("no key")))).rejects.toThrow("no key");
  await vi.advanceTimersByTimeAsync(60_000);
  expect(info).toHaveBeenCalledTimes(1);
});
