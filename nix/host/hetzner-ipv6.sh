# Gives the server its IPv6 address, as Hetzner's metadata service has it: Hetzner has no DHCPv6, and its router announces no
# prefix to make an address from. Run as root, once a boot, in the unit clawdlets-ipv6. What came from the network is taken
# only in the one shape that it may have. NETWORK_FOLDER and METADATA are for tests.
set -euo pipefail
export LC_ALL=C

metadata=${METADATA:-http://169.254.169.254/hetzner/v1/metadata/network-config}
folder=${NETWORK_FOLDER:-/run/systemd/network}

config=$(curl --fail --silent --show-error --max-time 20 --max-filesize 65536 --noproxy '*' "$metadata")
mac=$(sed -nE "s/^[- ]*mac_address: *[\"']?([0-9a-f]{2}(:[0-9a-f]{2}){5})[\"']? *\$/\1/p" <<<"$config" | sed -n 1p)
address=$(sed -nE "s/^[- ]*address: *[\"']?([0-9a-f:]{2,39}\/(64|128))[\"']? *\$/\1/p" <<<"$config" | sed -n 1p)
if [[ -z $mac || -z $address ]]; then
  echo "Hetzner's metadata has no IPv6 address for this server; it stays with IPv4" >&2
  exit 0
fi

# Sorts before 10-uplink.network, and is for this one interface: a private network's is not given a public address.
mkdir -p "$folder"
cat >"$folder/05-uplink-ipv6.network" <<NETWORK
[Match]
PermanentMACAddress=$mac

[Network]
DHCP=ipv4
IPv6AcceptRA=yes
Address=$address

[Route]
Gateway=fe80::1
NETWORK
networkctl reload
