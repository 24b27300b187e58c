# Kernel hardening (sysctl) for a host that runs untrusted code.
{
  # ptrace: a process can debug only its own children.
  "kernel.yama.ptrace_scope" = 1;
  # Kernel addresses and messages only for root.
  "kernel.kptr_restrict" = 2;
  "kernel.dmesg_restrict" = 1;
  # Common starting points of privilege escalations. 2: needs CAP_SYS_ADMIN or CAP_PERFMON; 1: off until the next boot.
  "kernel.perf_event_paranoid" = 3;
  "kernel.unprivileged_bpf_disabled" = 1;
  "net.core.bpf_jit_harden" = 2;
  "kernel.kexec_load_disabled" = 1;
  "kernel.sysrq" = 0;
  "vm.unprivileged_userfaultfd" = 0;
  "dev.tty.ldisc_autoload" = 0;

  # No core dumps: they would put secrets on the disk.
  "fs.suid_dumpable" = 0;
  # In world-writable folders, links and FIFOs are followed only for their owner.
  "fs.protected_symlinks" = 1;
  "fs.protected_hardlinks" = 1;
  "fs.protected_fifos" = 2;
  "fs.protected_regular" = 2;

  # Ignore ICMP redirects and source routes.
  "net.ipv4.conf.all.accept_redirects" = 0;
  "net.ipv4.conf.default.accept_redirects" = 0;
  "net.ipv4.conf.all.secure_redirects" = 0;
  "net.ipv4.conf.default.secure_redirects" = 0;
  "net.ipv4.conf.all.send_redirects" = 0;
  "net.ipv4.conf.default.send_redirects" = 0;
  "net.ipv4.conf.all.accept_source_route" = 0;
  "net.ipv6.conf.all.accept_redirects" = 0;
  "net.ipv6.conf.default.accept_redirects" = 0;
  "net.ipv6.conf.all.accept_source_route" = 0;
  "net.ipv4.icmp_echo_ignore_broadcasts" = 1;
  "net.ipv4.tcp_syncookies" = 1;
}
