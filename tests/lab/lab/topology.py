"""The two labs.

segment:   client -- router -- [ segment: guideway host eth0, b1, b2, b3, router ]
two-port:  client -- router -- eth0 guideway host eth1 -- [ segment: b1, b2, b3, router ]

The router sends the VIPs to the Guideway host. Backends have the VIPs on lo, answer no ARP for
them, and reply through the router's own leg on their segment: replies bypass the Guideway host.
"""

import contextlib
import os
import signal
import sys

from lab import namespaces
from lab.process import LabError, Process, wait_until

CLIENT, ROUTER, GUIDEWAY, SEGMENT = "client", "router", "guideway", "segment"
BACKENDS = ("b1", "b2", "b3")

VIP = {4: "203.0.113.10", 6: "2001:db8:f::10"}
# A second VIP, whose pool is reached through tunnels.
TUNNEL_VIP = {4: "203.0.113.20", 6: "2001:db8:f::20"}
CLIENT_ADDRESS = {4: "192.0.2.2", 6: "2001:db8:c::2"}
CLIENT_GATEWAY = {4: "192.0.2.1", 6: "2001:db8:c::1"}
_FRONT = {4: "198.51.100.", 6: "2001:db8:5::"}   # segment lab: everything; two-port: router, port 0
_BACK = {4: "198.18.0.", 6: "2001:db8:b::"}      # two-port lab: port 1, backends, router
_LENGTH = {4: 24, 6: 64}
_ROUTER_NUMBER, _GUIDEWAY_NUMBER, _FIRST_BACKEND_NUMBER = 1, 10, 21
FAMILIES = (4, 6)


class Lab:
    """A standing lab. Owns its namespaces, its processes and its run directory."""

    def __init__(self, prefix, two_port, queues=1):
        self.network = namespaces.Network(prefix)
        self.two_port = two_port
        self.queues = queues
        self.directory = f"{namespaces.RUN_ROOT}/{prefix}"
        self.flow_directory = namespaces.flow_directory(prefix)
        self.interfaces = ["eth0", "eth1"] if two_port else ["eth0"]
        self._processes = []
        os.makedirs(self.directory, mode=0o700, exist_ok=True)
        os.makedirs(self.flow_directory, mode=0o700, exist_ok=True)

    def guideway_address(self, family=4):
        """Where the router sends the VIPs."""
        return f"{_FRONT[family]}{_GUIDEWAY_NUMBER}"

    def backend_address(self, backend, family=4):
        net = _BACK if self.two_port else _FRONT
        return f"{net[family]}{_FIRST_BACKEND_NUMBER + BACKENDS.index(backend)}"

    def execute(self, host, *arguments, **options):
        return self.network.execute(host, *arguments, **options)

    def process(self, name, host, *arguments):
        """A process of the lab, not started yet; it ends with the lab at the latest."""
        process = Process(name, self.network.name(host), arguments,
                          f"{self.directory}/{name}.log")
        self._processes.append(process)
        return process

    def build(self):
        net = self.network
        for host in (CLIENT, ROUTER, GUIDEWAY, SEGMENT) + BACKENDS:
            net.add_host(host)
        net.sysctl(ROUTER, "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")
        net.ip(SEGMENT, "link", "add", "br0", "type", "bridge", "mcast_snooping", "0")
        net.ip(SEGMENT, "link", "set", "br0", "up")
        net.link(CLIENT, "eth0", ROUTER, "client")
        net.address(ROUTER, "client", *self._with_length(CLIENT_GATEWAY))
        net.address(CLIENT, "eth0", *self._with_length(CLIENT_ADDRESS))
        self._join_segment(ROUTER, "segment")
        if self.two_port:
            net.link(ROUTER, "front", GUIDEWAY, "eth0", self.queues)
            self._number(ROUTER, "front", _FRONT, _ROUTER_NUMBER)
            self._number(ROUTER, "segment", _BACK, _ROUTER_NUMBER)
            self._join_segment(GUIDEWAY, "eth1", self.queues)
            self._number(GUIDEWAY, "eth1", _BACK, _GUIDEWAY_NUMBER)
        else:
            self._number(ROUTER, "segment", _FRONT, _ROUTER_NUMBER)
            self._join_segment(GUIDEWAY, "eth0", self.queues)
        self._number(GUIDEWAY, "eth0", _FRONT, _GUIDEWAY_NUMBER)
        for index, backend in enumerate(BACKENDS):
            self._add_backend(backend, _FIRST_BACKEND_NUMBER + index)
        self._route_guideway()
        for family in FAMILIES:
            net.route(CLIENT, "default", "via", CLIENT_GATEWAY[family])
            for vip in (VIP, TUNNEL_VIP):
                net.route(ROUTER, vip[family], "via", self.guideway_address(family))

    def _route_guideway(self):
        for family in FAMILIES:
            self.network.route(GUIDEWAY, "default", "via", f"{_FRONT[family]}{_ROUTER_NUMBER}")

    def set_guideway_queues(self, queues):
        """The number of receive queues of the Guideway host's eth0, on both sides of the link. The
        kernel gives AF_XDP sockets of an ended process back a moment later, and refuses until then."""
        self.execute(SEGMENT, "ethtool", "-L", GUIDEWAY, "tx", queues)
        last = None

        def taken():
            nonlocal last
            last = self.execute(GUIDEWAY, "ethtool", "-L", "eth0", "rx", queues, check=False)
            return last.returncode == 0 or "existing zerocopy AF_XDP sockets" not in last.stderr
        wait_until(taken, "the kernel has given AF_XDP sockets back")
        if last.returncode != 0:
            raise LabError(f"ethtool -L eth0 rx {queues}: {last.stderr.strip()}")

    def number_guideway(self):
        """Addresses and routes of the Guideway host's eth0, which was made anew."""
        self._number(GUIDEWAY, "eth0", _FRONT, _GUIDEWAY_NUMBER)
        self._route_guideway()

    def rejoin_guideway(self):
        """The Guideway host's eth0, made anew in place of one that is gone."""
        self._join_segment(GUIDEWAY, "eth0", self.queues)
        self.number_guideway()

    def _with_length(self, addresses):
        return [f"{addresses[family]}/{_LENGTH[family]}" for family in FAMILIES]

    def _number(self, host, interface, net, number):
        self.network.address(host, interface,
                             *[f"{net[family]}{number}/{_LENGTH[family]}" for family in FAMILIES])

    def _join_segment(self, host, interface, queues=1):
        self.network.link(host, interface, SEGMENT, host, queues)
        self.network.ip(SEGMENT, "link", "set", host, "master", "br0")

    def _add_backend(self, backend, number):
        net = self.network
        net.sysctl(backend, "net.ipv4.conf.all.arp_ignore=1", "net.ipv4.conf.all.arp_announce=2")
        self._link_backend(backend, number)
        for family in FAMILIES:
            length = 32 if family == 4 else 128
            net.address(backend, "lo", f"{VIP[family]}/{length}", f"{TUNNEL_VIP[family]}/{length}")

    def _link_backend(self, backend, number):
        wire = _BACK if self.two_port else _FRONT
        self._join_segment(backend, "eth0")
        self._number(backend, "eth0", wire, number)
        for family in FAMILIES:
            self.network.route(backend, "default", "via", f"{wire[family]}{_ROUTER_NUMBER}")

    def make_backend_link_anew(self, backend):
        """Deletes the backend's interface and makes another one of the same name and addresses."""
        self.network.ip(backend, "link", "del", "eth0")
        self._link_backend(backend, _FIRST_BACKEND_NUMBER + BACKENDS.index(backend))

    def dump_logs(self, lines=40):
        """Prints the ends of all logs, for a failed test."""
        for process in self._processes:
            if not os.path.exists(process.log_path):
                continue
            with open(process.log_path, encoding="utf-8", errors="replace") as log:
                text = log.read().splitlines()[-lines:]
            print(f"--- {process.name} ---", *text, sep="\n", file=sys.stderr)

    def stop_processes(self):
        for process in reversed(self._processes):
            process.stop(timeout_s=5)


def _raise_on_signal(number, _frame):
    raise SystemExit(128 + number)


def end_in_order_on_signals():
    """Makes SIGTERM and SIGHUP unwind the context managers, as Ctrl-C does."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _raise_on_signal)


@contextlib.contextmanager
def lab(two_port=False, keep=False, queues=1):
    """Builds a lab and takes it down in any case; `keep` leaves it after success.

    The Guideway host's interfaces have `queues` receive and transmit queues.
    """
    namespaces.remove_leftovers()
    prefix = namespaces.KEPT if keep else namespaces.own_prefix()
    if any(name.startswith(prefix + "-") for name in namespaces.listed()):
        raise LabError("a kept lab stands already; take it down with: scripts/lab down")
    kept = False
    standing = None
    try:
        standing = Lab(prefix, two_port, queues)
        standing.build()
        yield standing
        kept = keep
    finally:
        if not kept:
            # Nothing may interrupt the clean-up.
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                signal.signal(number, signal.SIG_IGN)
            if standing:
                standing.stop_processes()
            namespaces.remove(prefix)
            signal.signal(signal.SIGINT, signal.default_int_handler)
            end_in_order_on_signals()
