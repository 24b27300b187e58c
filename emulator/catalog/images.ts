export interface SystemImage {
  id: number;
  name: string;
  description: string;
  os_flavor: "alma" | "debian" | "fedora" | "rocky" | "ubuntu";
  os_version: string;
  architecture: "x86" | "arm";
  disk_size: number;
  created: string;
  deprecated: string | null;
}

type Flavor = SystemImage["os_flavor"];

export const systemImages: readonly SystemImage[] = [
  ...both("debian", "11", "Debian 11", [45557056, 103907373], "2021-08-16T11:12:01+00:00", "2026-08-31T00:00:00+00:00"),
  ...both("debian", "12", "Debian 12", [114690387, 114690389], "2023-06-13T06:00:00+00:00"),
  ...both("debian", "13", "Debian 13", [310557660, 310557659], "2025-08-11T06:00:00+00:00"),
  ...both("ubuntu", "22.04", "Ubuntu 22.04", [67794396, 103908130], "2022-04-21T13:32:38+00:00"),
  ...both("ubuntu", "24.04", "Ubuntu 24.04", [161547269, 161547270], "2024-04-25T13:26:27+00:00"),
  ...both("fedora", "43", "Fedora 43", [310558001, 310558002], "2025-10-29T06:00:00+00:00"),
  ...both("rocky", "10", "Rocky Linux 10", [310558101, 310558102], "2025-06-12T06:00:00+00:00"),
  ...both("alma", "10", "AlmaLinux 10", [310558201, 310558202], "2025-06-02T06:00:00+00:00"),
];

function both(
  os_flavor: Flavor,
  os_version: string,
  description: string,
  [x86, arm]: [number, number],
  created: string,
  deprecated: string | null = null,
): SystemImage[] {
  const name = `${os_flavor}-${os_version}`;
  const common = { name, description, os_flavor, os_version, disk_size: 5, created, deprecated };
  return [
    { id: x86, architecture: "x86", ...common },
    { id: arm, architecture: "arm", ...common },
  ];
}
