import { aborted, Exit } from "./exit.ts";
import type { Remote } from "./remote.ts";

const NAMES = [
  "isOs",
  "isArch",
  "isInstaller",
  "isContainer",
  "isRoot",
  "hasIpv6Only",
  "hasTar",
  "hasCpio",
  "hasSudo",
  "hasDoas",
  "hasWget",
  "hasCurl",
  "hasSetsid",
];

// Sent to `sh --` on standard input, as the real one's.
const SCRIPT = `have() { if command -v "$1" >/dev/null 2>&1; then echo y; else echo n; fi; }
echo "isOs=$(uname)"
echo "isArch=$(uname -m)"
echo "isInstaller=$(if grep -q VARIANT_ID=installer /etc/os-release; then echo y; else echo n; fi)"
echo "isContainer=none"
echo "isRoot=$(if [ "$(id -u)" = 0 ]; then echo y; else echo n; fi)"
echo "hasIpv6Only=$(if ip r g 1 >/dev/null 2>/dev/null || ! ip -6 r g :: >/dev/null 2>/dev/null; then echo n; else echo y; fi)"
echo "hasTar=$(have tar)"
echo "hasCpio=$(have cpio)"
echo "hasSudo=$(have sudo)"
echo "hasDoas=$(have doas)"
echo "hasWget=$(have wget)"
echo "hasCurl=$(have curl)"
echo "hasSetsid=$(have setsid)"
`;

export interface Facts {
  isInstaller: boolean;
  hasIpv6Only: boolean;
  /** `uname -m` */
  architecture: string;
}

export async function gatherFacts(remote: Remote): Promise<Facts> {
  const { status, stdout } = await remote.capture(["-o", "ConnectTimeout=10", "enableDebug=", "sh", "--"], SCRIPT);
  if (status !== 0) throw new Exit(1);
  const facts = new Map(
    stdout
      .split("\n")
      .filter((line) => /^(has|is|remote)[A-Za-z0-9_]+=\S+/.test(line))
      .map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)]),
  );
  if (facts.size === 0) {
    throw aborted(
      "Retrieving host facts via SSH failed. Check with --debug for the root cause, unless you have done so already",
    );
  }
  for (const name of NAMES) if (!facts.has(name)) throw aborted(`Failed to retrieve fact ${name} from host`);
  if (facts.get("hasTar") === "n") throw aborted("no tar command found, but required to unpack kexec tarball");
  if (facts.get("isOs") !== "Linux")
    throw aborted(`This script requires Linux as the operating system, but got ${facts.get("isOs")}`);
  return {
    isInstaller: facts.get("isInstaller") === "y",
    hasIpv6Only: facts.get("hasIpv6Only") === "y",
    architecture: facts.get("isArch") ?? "",
  };
}
