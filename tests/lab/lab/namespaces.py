"""Network namespaces and links of one lab, all under one name prefix.

The prefix holds the owner's process id, so the next run finds and removes what a killed one left.
A kept lab (scripts/demo --keep) has the prefix KEPT and stays until it is taken down.
"""

import os
import re
import shutil
import signal

from lab.process import LabError, run, wait_until

KEPT = "gw-kept"
RUN_ROOT = "/run/guideway-lab"
_OWNED = re.compile(r"^(gw-(\d+|kept))-")


def own_prefix():
    return f"gw-{os.getpid()}"


def listed():
    """Names of all network namespaces."""
    return [line.split()[0] for line in run("ip", "netns", "list").stdout.splitlines() if line]


def _owner_lives(prefix):
    if prefix == KEPT:
        return True
    return os.path.exists(f"/proc/{prefix.removeprefix('gw-')}")


def flow_directory(prefix):
    """Where the lab's data plane keeps its flow tables."""
    root = "/dev/hugepages" if os.path.ismount("/dev/hugepages") else "/dev/shm"
    return f"{root}/guideway-{prefix}"


def remove(prefix):
    """Ends every process in the namespaces of `prefix` and removes them and their files."""
    names = [name for name in listed() if name.startswith(prefix + "-")]
    for name in names:
        _end_processes(name)
    for name in names:
        run("ip", "netns", "del", name, check=False)
    for root in ("/dev/hugepages", "/dev/shm"):
        shutil.rmtree(f"{root}/guideway-{prefix}", ignore_errors=True)
    shutil.rmtree(f"{RUN_ROOT}/{prefix}", ignore_errors=True)


def _pids(name):
    return [int(pid) for pid in run("ip", "netns", "pids", name, check=False).stdout.split()]


def _end_processes(name):
    for number in (signal.SIGTERM, signal.SIGKILL):
        for pid in _pids(name):
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                pass
        try:
            wait_until(lambda: not _pids(name), f"{name} has no processes", timeout_s=5)
            return
        except LabError:
            continue


def remove_leftovers():
    """Removes labs whose owner is dead. Returns their prefixes."""
    found = {match.group(1) for match in map(_OWNED.match, listed()) if match}
    if os.path.isdir(RUN_ROOT):
        found |= {name for name in os.listdir(RUN_ROOT) if _OWNED.match(name + "-")}
    dead = sorted(prefix for prefix in found if not _owner_lives(prefix))
    for prefix in dead:
        remove(prefix)
    return dead


class Network:
    """Creates namespaces, links, addresses and routes under one prefix."""

    def __init__(self, prefix):
        self.prefix = prefix

    def name(self, host):
        return f"{self.prefix}-{host}"

    def add_host(self, host):
        """A namespace that neither filters by reverse path nor waits for address detection."""
        name = self.name(host)
        run("ip", "netns", "add", name)
        self.sysctl(host, "net.ipv6.conf.all.accept_dad=0", "net.ipv6.conf.default.accept_dad=0",
                    "net.ipv4.conf.all.rp_filter=0", "net.ipv4.conf.default.rp_filter=0",
                    "net.ipv4.conf.all.send_redirects=0",
                    "net.ipv4.conf.default.send_redirects=0",
                    "net.ipv6.conf.default.accept_ra=0")
        self.ip(host, "link", "set", "lo", "up")

    def sysctl(self, host, *settings):
        run("ip", "netns", "exec", self.name(host), "sysctl", "-qw", *settings)

    def ip(self, host, *arguments):
        return run("ip", "-n", self.name(host), *arguments)

    def link(self, host_a, interface_a, host_b, interface_b, queues=1):
        """A veth pair, up, without offloads: AF_XDP wants whole packets with real checksums."""
        several = ["numrxqueues", queues, "numtxqueues", queues] if queues > 1 else []
        run("ip", "link", "add", interface_a, "netns", self.name(host_a), *several, "type", "veth",
            "peer", "name", interface_b, "netns", self.name(host_b), *several)
        for host, interface in ((host_a, interface_a), (host_b, interface_b)):
            self.execute(host, "ethtool", "-K", interface, "tx", "off", "rx", "off", "tso", "off",
                         "gso", "off", "gro", "off")
            self.ip(host, "link", "set", interface, "up")

    def address(self, host, interface, *addresses):
        for address in addresses:
            extra = ["nodad"] if ":" in address else []
            self.ip(host, "address", "add", address, "dev", interface, *extra)

    def route(self, host, *arguments):
        family = "-6" if any(":" in a for a in arguments) else "-4"
        self.ip(host, family, "route", "replace", *arguments)

    def execute(self, host, *arguments, **options):
        """Runs a command in the host's namespace."""
        return run("ip", "netns", "exec", self.name(host), *arguments, **options)
