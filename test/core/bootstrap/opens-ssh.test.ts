import { describe, expect, it } from "vitest";
import { opensSsh, opensSshToTheWorld } from "../../../core/bootstrap/opens-ssh.ts";

const rule = (port: string | null, protocol: "tcp" | "udp" = "tcp", direction: "in" | "out" = "in") => ({
  direction,
  protocol,
  port,
  source_ips: ["203.0.113.7/32"],
});

describe("opensSsh", () => {
  it.each(["22", "any", "1-1024", "22-22", "22-23", "21-22", null])("sees port 22 in %j", (port) =>
    expect(opensSsh(rule(port))).toBe(true),
  );

  it.each(["21", "23", "23-1024", "1-21", "2222", "220-221"])("sees no port 22 in %j", (port) =>
    expect(opensSsh(rule(port))).toBe(false),
  );

  it("leaves other protocols, the way out and rules for nobody alone", () => {
    expect(opensSsh(rule("22", "udp"))).toBe(false);
    expect(opensSsh(rule("22", "tcp", "out"))).toBe(false);
    expect(opensSsh({ ...rule("22"), source_ips: [] })).toBe(false);
  });

  it("adds up rules that are harmless one by one", () => {
    const half = (cidr: string, port: string) => ({ ...rule(port), source_ips: [cidr] });
    expect(opensSshToTheWorld([half("0.0.0.0/1", "22"), half("128.0.0.0/1", "1-1024")])).toBe(true);
    expect(opensSshToTheWorld([half("0.0.0.0/1", "22"), half("128.0.0.0/1", "443")])).toBe(false);
  });
});
