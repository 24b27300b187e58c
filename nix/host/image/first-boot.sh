# First boot of a server from a snapshot of `clawdlets image bake`: takes the one-time keys from the server's user_data and runs an sshd
# with nothing else, until the operator has delivered the host's identity and reboots. All keys are in memory, and gone after that reboot.
#
# Run as root, in the unit clawdlets-first-boot, which boots in place of everything else as long as MARKER exists. Values from the network are strictly
# validated. USER_DATA, FOLDER, MARKER, SSHD, SSH_PORT, STRICT_MODES and FIREWALL are for tests.
set -euo pipefail
export LC_ALL=C
umask 077

source=${USER_DATA:-http://169.254.169.254/hetzner/v1/userdata}
folder=${FOLDER:-/run/clawdlets-first-boot}
marker=${MARKER:-/var/lib/clawdlets/image}

[[ -e $marker ]] || { echo "this disk has an identity; nothing to do" >&2; exit 1; }
data=$(curl --fail --silent --show-error --max-time 20 --max-filesize 65536 --noproxy '*' "$source")

mkdir -p "$folder"
# user_data as core/host/install/user-data.ts writes it: the private key is an indented block, the public keys are single lines.
sed -nE '/^ *-----BEGIN OPENSSH PRIVATE KEY-----$/,/^ *-----END OPENSSH PRIVATE KEY-----$/s/^ +//p' <<<"$data" >"$folder/host_key"
sed -nE '/^ssh_authorized_keys:/,/^[a-z]/s/^ *- "?(ssh-ed25519 [A-Za-z0-9+\/]{68})[^"]*"?$/\1/p' <<<"$data" >"$folder/authorized_keys"
ssh-keygen -y -P "" -f "$folder/host_key" >"$folder/host_key.pub" || { echo "user_data has no usable host key" >&2; exit 1; }
[[ -s $folder/authorized_keys ]] || { echo "user_data has no key that may log in" >&2; exit 1; }

# With PAM: without it sshd refuses an account whose password is locked, and NixOS locks root's.
cat >"$folder/sshd_config" <<CONFIG
Port ${SSH_PORT:-22}
HostKey $folder/host_key
AuthorizedKeysFile $folder/authorized_keys
AuthenticationMethods publickey
PermitRootLogin prohibit-password
AllowUsers root
PasswordAuthentication no
KbdInteractiveAuthentication no
DisableForwarding yes
UsePAM yes
StrictModes ${STRICT_MODES:-yes}
PidFile none
CONFIG
# Hetzner's firewall lets in nobody but the operator's networks, and only while the window is open.
${FIREWALL:-nft add rule inet nixos-fw input-allow tcp dport 22 accept}
exec "${SSHD:-/run/current-system/sw/bin/sshd}" -D -e -f "$folder/sshd_config"
