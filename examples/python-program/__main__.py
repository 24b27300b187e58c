"""A host from a program in Python. `pulumi package add` generates its SDK: docs/compose.md, "In another language"."""

import pulumi
import pulumi_clawdlets as clawdlets

# Its settings are in stacks/Pulumi.web-1.yaml.
web = clawdlets.Host(
    "web-1",
    firewall_rules=[{"protocol": "tcp", "port": "443", "source_ips": ["0.0.0.0/0", "::/0"]}],
)

pulumi.export("ipv4", web.ipv4)
pulumi.export("installId", web.install_id)
