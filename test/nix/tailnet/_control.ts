import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";

/** Of the control server and its relay, in a documentation network: no packet leaves the namespaces. */
export const controlAddress = "198.51.100.1";
export const controlUrl = "https://control.test:8443";

/** headscale's configuration, with all it writes in one folder. YAML is a superset of JSON. */
export function configuration(folder: string): string {
  return JSON.stringify({
    server_url: controlUrl,
    listen_addr: `${controlAddress}:8443`,
    metrics_listen_addr: "127.0.0.1:9090",
    grpc_listen_addr: "127.0.0.1:50443",
    noise: { private_key_path: join(folder, "noise.key") },
    prefixes: { v4: "100.64.0.0/10", v6: "fd7a:115c:a1e0::/48", allocation: "sequential" },
    derp: {
      server: {
        enabled: true,
        region_id: 999,
        region_code: "lab",
        region_name: "lab",
        verify_clients: true,
        stun_listen_addr: `${controlAddress}:3478`,
        private_key_path: join(folder, "derp.key"),
        automatically_add_embedded_derp_region: true,
        ipv4: controlAddress,
      },
      urls: [],
      paths: [],
      auto_update_enabled: false,
    },
    disable_check_updates: true,
    database: { type: "sqlite", sqlite: { path: join(folder, "headscale.sqlite") } },
    tls_cert_path: join(folder, "control.pem"),
    tls_key_path: join(folder, "control.key"),
    policy: { mode: "file", path: "" },
    dns: { magic_dns: true, base_domain: "tail.test", override_local_dns: false, nameservers: { global: [] } },
    unix_socket: join(folder, "headscale.socket"),
    unix_socket_permission: "0700",
    logtail: { enabled: false },
  });
}

/** An authority of this run, and the control server's certificate. */
export async function certificate(folder: string): Promise<void> {
  const openssl = (...args: string[]) => execa("openssl", args, { cwd: folder });
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  const authority = ["-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign"];
  await openssl(
    "req",
    "-x509",
    ...key,
    "-keyout",
    "ca.key",
    "-out",
    "ca.pem",
    "-subj",
    "/CN=lab",
    "-days",
    "2",
    ...authority,
  );
  await openssl("req", ...key, "-keyout", "control.key", "-out", "control.csr", "-subj", "/CN=control.test");
  writeFileSync(join(folder, "control.ext"), `subjectAltName=DNS:control.test,IP:${controlAddress}\n`);
  const signed = ["-in", "control.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2"];
  await openssl("x509", "-req", ...signed, "-extfile", "control.ext", "-out", "control.pem");
}
