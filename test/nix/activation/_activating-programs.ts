import { whereIs } from "../../_debian.ts";

/** Full path of the real program, for stand-ins that call it. */
export const real = (program: string) => whereIs(program) ?? program;

/** Lines of sh by program: what stands for nix, the service manager and the clock of a host in a folder. */
export function standIns(folder: string): Record<string, string> {
  return {
    // As the real one: the newest generation is taken again where it is that system, and the chosen one is not deleted.
    "nix-env": `[ "$#" -eq 4 ] && [ "$1 $2" = "--profile ${folder}/profile" ] || { echo "nix-env: $*" >&2; exit 2; }
cd '${folder}'; newest=$(ls -d profile-*-link | sed 's/[^0-9]//g' | sort -n | tail -n 1)
case $3 in
  --set) [ -d "$4" ] || exit 2
    [ "$(readlink -f "profile-$newest-link")" = "$4" ] || { newest=$((newest + 1)); ln -s "$4" "profile-$newest-link"; }
    ln -sfn "profile-$newest-link" profile; echo "profile $(basename "$4")" >>log ;;
  --switch-generation) [ -e "profile-$4-link" ] || exit 2
    ln -sfn "profile-$4-link" profile; echo "profile $(basename "$(readlink -f profile)")" >>log ;;
  --delete-generations) [ "$(readlink profile)" != "profile-$4-link" ] || exit 2
    rm "profile-$4-link"; echo "forgotten $4" >>log ;;
  *) exit 2 ;;
esac`,
    "nix-store": `case "$1 $2" in "--query --requisites") shift 2; ls -d "$@"; exit ;; esac
[ "$1 $3" = "--add-root --realise" ] && [ -e "$4" ] || exit 2; ln -sfn "$4" "$2"`,
    nix: `case "$*" in "--extra-experimental-features nix-command store verify --sigs-needed 1 "*)
  shift 6; for path in "$@"; do [ -e "$path/signed" ] || exit 1; done; exit ;;
esac
[ "$1 $2 $3" = "build --no-write-lock-file --out-link" ] || { echo "nix: $*" >&2; exit 2; }
rev=$(printf '%s' "$5" | sed -nE 's/.*&rev=([0-9a-f]{40})#nixosConfigurations\\."web-1"\\.config\\.system\\.build\\.toplevel$/\\1/p')
[ -n "$rev" ] && git -C '${folder}/cache.git' cat-file -e "$rev^{commit}" || { echo "nix: no $5" >&2; exit 1; }
system=$(git -C '${folder}/cache.git' show "$rev:system" | head -n 1)
case $(git -C '${folder}/cache.git' show "$rev:system") in *slow) sleep 20 ;; esac
[ -d "${folder}/store/$system" ] || { echo "error: does not build" >&2; exit 1; }
ln -sfn "${folder}/store/$system" "$4"`,
    systemctl: `echo "systemctl $*" >>'${folder}/log'
case "$*" in
  "is-active --quiet clawdlets-activation.service") ps -o stat= -p "$(cat '${folder}/pid')" | grep -qv Z ;;
  "is-active --quiet "*.service) [ ! -e "${folder}/broken-$3" ] ;;
  "restart sops-install-secrets.service"|"try-restart clawdlets-secrets.target"|"reset-failed") ;;
  "restart "*.service) rm -f "${folder}/broken-$2" ;;
  reboot) touch '${folder}/rebooting' ;;
  *) echo "systemctl: unknown: $*" >&2; exit 1 ;;
esac`,
    // Seconds of a twentieth, as in the emulator.
    date: `[ "$*" = +%s ] || exit 2; echo $(($(${real("date")} +%s%N) / ${1e9 / 20}))`,
    sleep: `exec ${real("sleep")} "$(awk "BEGIN { print $1 / 20 }")"`,
    timeout: `[ "$1" = --kill-after=10 ] || exit 2; limit=$2; shift 2
exec ${real("timeout")} --kill-after=0.5 "$(awk "BEGIN { print $limit / 20 }")" "$@"`,
    // As the real one with Type=exec: a unit of this name that runs already is an error, what it starts is not of the caller's
    // session, and it has started when the call ends.
    "systemd-run": `words="--quiet --collect --unit=clawdlets-activation.service --property=Type=exec --property=KillMode=mixed"
[ "$1 $2 $3 $4 $5" = "$words" ] || { echo "systemd-run: $*" >&2; exit 1; }
shift 5
if [ -e '${folder}/pid' ] && ps -o stat= -p "$(cat '${folder}/pid')" | grep -qv Z; then echo "Unit clawdlets-activation.service already exists." >&2; exit 1; fi
rm -f '${folder}/pid'
setsid sh -c 'echo $$ >"$0.new"; mv "$0.new" "$0"; exec "$@"' '${folder}/pid' "$@" >>'${folder}/journal' 2>&1 </dev/null 9>&- &
until [ -e '${folder}/pid' ]; do ${real("sleep")} 0.01; done`,
  };
}
