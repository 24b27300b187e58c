# Becomes a machine with a store of its own: this machine's files, but an empty /nix and /run. For `unshare --mount`.
# $1 the folder to mount it at, $2 the size of its disk, $3 and on: what runs in it.
set -eu
root=$1
size=$2
shift 2
mount --make-rprivate /
mount -t tmpfs -o "mode=755,size=$size" tmpfs "$root"
for each in /*; do
  case $each in /nix | /run | /lost+found) continue ;; esac
  if [ -L "$each" ]; then
    cp -a "$each" "$root$each"
  elif [ -d "$each" ]; then
    mkdir "$root$each"
    mount --rbind "$each" "$root$each"
  fi
done
mkdir -p "$root/nix/store" "$root/nix/var/nix" "$root/run/sshd" "$root/run/current-system/sw/bin"
exec chroot "$root" "$@"
