# Creates and enables the host's swap file, in the unit clawdlets-swap. It runs after the boot, so that writing gigabytes does not
# delay SSH. SIZE_MIB is its size; the default is the size of the memory, but at most a tenth of the disk and 16 GiB. It is smaller
# if the disk is short of space. Run as root. The other variables are for tests.
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
# A quarter of the free space stays free. The existing file counts as free, since it is replaced.
room=$(((free + present) * 3 / 4))
((wanted <= room)) || wanted=$room
if ((wanted < 64)); then
  echo "not enough disk space for swap: $free MiB are free" >&2
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
