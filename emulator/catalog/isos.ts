export interface Iso {
  id: number;
  name: string;
  description: string;
  type: "public";
  architecture: "x86" | "arm";
  deprecation: null;
}

export const isos: readonly Iso[] = [
  iso(8637, windows("English", "X22-74290"), "Windows Server 2022 English", "x86"),
  iso(8638, windows("German", "X22-74292"), "Windows Server 2022 German", "x86"),
  iso(121001, "nixos-minimal-25.11-x86_64-linux.iso", "NixOS 25.11 (amd64/minimal)", "x86"),
  iso(121002, "nixos-minimal-25.11-aarch64-linux.iso", "NixOS 25.11 (arm64/minimal)", "arm"),
  iso(121003, "debian-13.1.0-amd64-netinst.iso", "Debian 13.1 (amd64/netinstall)", "x86"),
  iso(121004, "debian-13.1.0-arm64-netinst.iso", "Debian 13.1 (arm64/netinstall)", "arm"),
];

function windows(language: string, part: string): string {
  return `SW_DVD9_Win_Server_STD_CORE_2022__64Bit_${language}_DC_STD_MLF_${part}.iso`;
}

function iso(id: number, name: string, description: string, architecture: "x86" | "arm"): Iso {
  return { id, name, description, type: "public", architecture, deprecation: null };
}
