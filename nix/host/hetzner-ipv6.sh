# Sets the IPv6 address of the server's public interface: Hetzner has no DHCPv6, and its router advertises no SLAAC prefix. The
# address is ADDRESS or, without it, the one in Hetzner's metadata service or, if that does not answer, the one that the installation left
# on a server without IPv4. A server in a private network has more interfaces
# (enp7s0, ens10, …), and the name of the public one depends on the server type. So we pick the one whose MAC address the metadata
# service names or, if that does not answer, the one with IPv4's default route.
#
# Run as root, once per boot, in the unit clawdlets-ipv6. Values from the network are strictly validated. NETWORK_FOLDER, METADATA
# and DELIVERED are for tests.
set -euo pipefail
export LC_ALL=C

metadata=${METADATA:-http://169.254.169.254/hetzner/v1/metadata/network-config}
folder=${NETWORK_FOLDER:-/run/systemd/network}
address=${ADDRESS:-}

delivered=${DELIVERED:-/var/lib/clawdlets/ipv6-address}

if ! config=$(curl --fail --silent --show-error --max-time 20 --max-filesize 65536 --noproxy '*' "$metadata"); then
  [[ -n $address || ! -r $delivered ]] || address=$(sed -nE "1s/^([0-9a-f:]{2,39}\/64)\$/\1/p" "$delivered")
  [[ -n $address ]] || exit 1
  config=""
fi
mac=$(sed -nE "s/^[- ]*mac_address: *[\"']?([0-9a-f]{2}(:[0-9a-f]{2}){5})[\"']? *\$/\1/p" <<<"$config" | sed -n 1p)
if [[ -z $address ]]; then
  address=$(sed -nE "s/^[- ]*address: *[\"']?([0-9a-f:]{2,39}\/(64|128))[\"']? *\$/\1/p" <<<"$config" | sed -n 1p)
  if [[ -z $mac || -z $address ]]; then
    echo "Hetzner's metadata has no IPv6 address for this server; it keeps IPv4 only" >&2
    exit 0
  fi
fi

# Ethernet interfaces, as systemd names them: bridges, tunnels and containers have other names.
shopt -s nullglob
interfaces=(/sys/class/net/en*)
public=""
if [[ -n $mac ]]; then
  for interface in "${interfaces[@]}"; do
    [[ $(<"$interface/address") != "$mac" ]] || public=${interface##*/}
  done
fi
[[ -n $public ]] || public=$(ip -4 route show default | sed -nE 's/^default .*dev (en[a-z0-9]+)( .*)?$/\1/p' | sed -n 1p)
[[ -n $public || ${#interfaces[@]} != 1 ]] || public=${interfaces[0]##*/}
if [[ -z $public ]]; then
  echo "cannot tell yet which of ${interfaces[*]##*/} is the public interface; retrying in 30 s" >&2
  exit 1
fi

# Sorts before 10-uplink.network and matches only this interface, so a private network's interface gets no public address.
mkdir -p "$folder"
cat >"$folder/05-uplink-ipv6.network" <<NETWORK
[Match]
Name=$public

[Network]
DHCP=ipv4
IPv6AcceptRA=yes
Address=$address

[DHCPv4]
UseDNS=no

[IPv6AcceptRA]
UseDNS=no

[Route]
Gateway=fe80::1
NETWORK
timeout 60 networkctl reload
