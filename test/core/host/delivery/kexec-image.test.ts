import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { kexecImage } from "../../../../core/host/delivery/kexec-image.ts";
import { temporaryFolder } from "../../../_project.ts";

const { signal } = new AbortController();
const url = "https://example.com/releases/installer-x86_64.tar.gz";
const answer = (body: string, more: { status?: number; url?: string } = {}) => {
  const response = new Response(body, { status: more.status ?? 200 });
  Object.defineProperty(response, "url", { value: more.url ?? url });
  return async () => response;
};

it("keeps what it fetches under the name in the URL, for this user alone", async () => {
  const folder = temporaryFolder();
  const path = await kexecImage({ kexec: url, host: "web-1", folder, signal, fetch: answer("image") });
  expect([path, readFileSync(path, "utf8")]).toEqual([join(folder, "installer-x86_64.tar.gz"), "image"]);
  expect(readdirSync(folder)).toEqual(["installer-x86_64.tar.gz"]);
});

it("leaves a path as it is, and asks nobody", async () => {
  const fetch = () => Promise.reject(new Error("asked"));
  const request = { kexec: "/srv/kexec.tar.gz", host: "web-1", folder: "/nowhere", signal, fetch };
  expect(await kexecImage(request)).toBe("/srv/kexec.tar.gz");
});

it.each<[string, Parameters<typeof kexecImage>[0]["fetch"], RegExp]>([
  ["an error", answer("gone", { status: 404 }), /could not be fetched from https:\S+: the answer was 404/],
  [
    "a way around https",
    answer("x", { url: "http://example.com/x" }),
    /redirects to http:\/\/example\.com, which is not/,
  ],
  ["no network", () => Promise.reject(new Error("getaddrinfo ENOTFOUND")), /ENOTFOUND/],
])("says what to do after %s", async (_, fetch, problem) => {
  const folder = temporaryFolder();
  const failed = kexecImage({ kexec: url, host: "web-1", folder, signal, ...(fetch && { fetch }) });
  await expect(failed).rejects.toThrow(problem);
  await expect(failed).rejects.toThrow(/clawdlets:install\.kexec to its absolute path/);
  expect(readdirSync(folder).filter((name) => !name.endsWith(".part"))).toEqual([]);
});

it("ends with the signal's reason", async () => {
  const reason = new Error("stopped");
  const request = { kexec: url, host: "web-1", folder: temporaryFolder(), signal: AbortSignal.abort(reason) };
  await expect(kexecImage({ ...request, fetch: () => Promise.reject(new Error("aborted")) })).rejects.toThrow(reason);
});
