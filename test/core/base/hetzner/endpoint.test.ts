import { afterEach, expect, it, vi } from "vitest";
import { createHetzner } from "../../../../core/base/hetzner/client.ts";

afterEach(() => vi.restoreAllMocks());

it("warns once, before a token goes to anybody but Hetzner and this machine", () => {
  const said: string[] = [];
  vi.spyOn(process.stderr, "write").mockImplementation((text) => {
    said.push(String(text));
    return true;
  });
  const token = "a".repeat(64);
  for (const endpoint of ["https://api.hetzner.cloud/v1", "http://127.0.0.1:1/v1", "http://[::1]:1/v1"]) {
    createHetzner({ endpoint, token });
  }
  expect(said).toEqual([]);
  createHetzner({ endpoint: "https://proxy.example.org/v1", token });
  createHetzner({ endpoint: "https://proxy.example.org/v1", token });
  expect(said).toEqual([
    "warning: HCLOUD_ENDPOINT sends your token to proxy.example.org, which is not Hetzner. Unset it unless you meant that.\n",
  ]);
});
