# What the program beside this makes: a server, its firewall and its key, a host. Started by test/bench/compare.ts.
terraform {
  required_providers {
    hcloud = {
      source  = "hetznercloud/hcloud"
      version = "1.68.0"
    }
  }
}

variable "hosts" { type = number }
variable "user_data" { type = string }
variable "public_keys" { type = list(string) }
# The one thing that is changed: a rule of the first host's firewall.
variable "changed" { type = string }

locals {
  names     = [for index in range(var.hosts) : "bench-${index}"]
  # Hetzner allows 50 firewalls a project.
  firewalls = slice(local.names, 0, min(var.hosts, 50))
  labels    = { for name in local.names : name => { "managed-by" = "clawdlets", "clawdlets-host" = name } }
}

resource "hcloud_ssh_key" "bootstrap" {
  for_each   = toset(local.names)
  name       = "${each.key}-bootstrap"
  public_key = var.public_keys[index(local.names, each.key)]
  labels     = local.labels[each.key]
}

resource "hcloud_firewall" "host" {
  for_each = toset(local.firewalls)
  name     = "${each.key}-fw"
  labels   = local.labels[each.key]
  rule {
    direction   = "in"
    protocol    = "udp"
    port        = "41641"
    source_ips  = [each.key == "bench-0" ? var.changed : "203.0.113.0/24"]
    description = "tailnet"
  }
}

resource "hcloud_server" "host" {
  for_each     = toset(local.names)
  name         = each.key
  server_type  = "cx43"
  location     = "nbg1"
  image        = "debian-12"
  firewall_ids = [hcloud_firewall.host[local.firewalls[index(local.names, each.key) % 50]].id]
  ssh_keys     = [hcloud_ssh_key.bootstrap[each.key].id]
  user_data    = var.user_data
  labels       = local.labels[each.key]
}
