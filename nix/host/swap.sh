# Makes and switches on the host's swap file, in the unit clawdlets-swap: after the boot, since a host that writes gigabytes
# before it lets anybody in cannot be reached meanwhile. SIZE_MIB is its size; without it, as much as the memory, but no more
# than a tenth of the disk and 16 GiB. What the disk has no room for is made smaller. Run as root. The rest is for tests.
set -euo pipefail
export LC_ALL=C

file=${SWAP_FILE:-/var/lib/swapfile}
memory=$(sed -nE 's/^MemTotal: +([0-9]+) kB$/\1/p' "${MEMINFO:-/proc/meminfo}")
read -r disk free < <(df --block-size=1M --output=size,avail "${file%/*}" | tail -n 1)
wanted=${SIZE_MIB:-}
if [[ -z $wanted ]]; then
  wanted=$((memory / 1024))
  ((wanted <= disk / 10)) || wanted=$((disk / 10))
  ((wanted <= 16384)) || wanted=16384
fi
present=0
[[ ! -e $file ]] || present=$(($(stat --format=%s "$file") / 1024 / 1024))
# A quarter of what is free stays free. The file that is there counts as free, as it is the one that goes.
room=$(((free + present) * 3 / 4))
((wanted <= room)) || wanted=$room
if ((wanted < 64)); then
  echo "the disk has no room for swap: $free MiB are free" >&2
  exit 0
fi

if swapon --show=NAME --noheadings | grep -qxF "$file"; then
  ((present != wanted)) || exit 0
  swapoff "$file"
fi
if ((present != wanted)); then
  rm -f -- "$file"
  (umask 077 && fallocate --length "${wanted}MiB" "$file.new" && mkswap "$file.new" >/dev/null)
  mv -- "$file.new" "$file"
fi
swapon "$file"
