"""What stands between the client and the servers, one class a variant.

A variant has a name (perf/rows.py has its title), the address that the client asks, the one for iperf3, start()
and stop(). While one runs, nothing of the others does: no process, no XDP program, no netfilter rule.
"""

import os

from lab import configuration
from lab.decap import Decap
from lab.guideway import Guideway
from lab.process import LabError, wait_until
from lab.topology import BACKENDS, CLIENT, CLIENT_GATEWAY, GUIDEWAY, ROUTER, TUNNEL_VIP, VIP

import rows
from servers import HTTP_PORT, IPERF_PORT

DIRECT_VIP, HAPROXY_VIP, NGINX_VIP, NFTABLES_VIP = (f"203.0.113.{n}" for n in (30, 40, 41, 42))
# nftables translates addresses, so answers must come back to it: the servers have a route to this
# address of the client by the balancer.
_TRANSLATED_CLIENT = "192.0.2.3"
# One thread or process each, as Guideway has one worker.
_HAPROXY = """\
global
  nbthread 1
  maxconn 4096
  stats socket {directory}/haproxy.sock
defaults
  mode tcp
  timeout connect 5s
  timeout client 30s
  timeout server 30s
listen web
  bind {vip}:{http}
  balance roundrobin
{servers}
listen iperf
  option splice-auto
  bind {vip}:{iperf}
  server b1 {first}:{iperf}
"""
_NGINX = """\
load_module /usr/lib/nginx/modules/ngx_stream_module.so;
daemon off;
user root;
worker_processes 1;
pid {directory}/balancer.pid;
error_log {directory}/balancer-error.log error;
events {{ worker_connections 4096; }}
stream {{
  upstream web {{
{servers}
  }}
  server {{ listen {vip}:{http} backlog=4096; proxy_pass web; }}
  server {{ listen {vip}:{iperf}; proxy_pass {first}:{iperf}; }}
}}
"""
_NFTABLES = """\
table ip balancer {{
  chain prerouting {{
    type nat hook prerouting priority dstnat;
    ip daddr {vip} tcp dport {http} dnat to numgen inc mod {count} map {{ {servers} }}
    ip daddr {vip} tcp dport {iperf} dnat to {first}
  }}
}}
"""


def prepare(lab):
    """Addresses and routes that all variants leave alone."""
    net = lab.network
    for backend in BACKENDS:
        net.address(backend, "lo", f"{DIRECT_VIP}/32")
        net.route(backend, f"{_TRANSLATED_CLIENT}/32", "via", lab.guideway_address())
    for vip in (HAPROXY_VIP, NGINX_VIP, NFTABLES_VIP):
        net.route(ROUTER, f"{vip}/32", "via", lab.guideway_address())
    for vip in (HAPROXY_VIP, NGINX_VIP):
        net.address(GUIDEWAY, "lo", f"{vip}/32")
    net.address(CLIENT, "eth0", f"{_TRANSLATED_CLIENT}/24")
    net.route(CLIENT, f"{NFTABLES_VIP}/32", "via", CLIENT_GATEWAY[4], "src", _TRANSLATED_CLIENT)
    net.sysctl(GUIDEWAY, "net.ipv4.ip_forward=1")
    for host in (CLIENT, GUIDEWAY):
        # Whoever opens thousands of connections a second runs out of ports otherwise, and then measures
        # how long the kernel looks for a free one.
        net.sysctl(host, "net.ipv4.ip_local_port_range=1024 65535", "net.ipv4.tcp_tw_reuse=1")


def _write(lab, name, template, pattern, separator="\n", **values):
    """Writes a configuration with one `pattern` a backend; returns its path."""
    servers = separator.join(pattern.format(name=name, number=number, address=lab.backend_address(name),
                                            http=HTTP_PORT) for number, name in enumerate(BACKENDS))
    path = f"{lab.directory}/{name}"
    with open(path, "w", encoding="ascii") as file:
        file.write(template.format(directory=lab.directory, servers=servers, http=HTTP_PORT,
                                   iperf=IPERF_PORT, first=lab.backend_address(BACKENDS[0]),
                                   count=len(BACKENDS), **values))
    return path


class _Variant:
    """What those without a process of their own need not say."""

    name = None

    @property
    def title(self):
        return rows.END_TO_END_VARIANTS[self.name]

    def not_counted(self):
        """Processes on the balancer's host that take no part in forwarding."""
        return ()

    def check(self):
        """After a turn: raises if something went wrong; dropped packets by reason."""
        return {}

    def stop(self):
        """Nothing runs."""


class Direct(_Variant):
    """No balancer: the router itself spreads flows over the servers, by a hash of the ports, too."""

    name, vip = "direct", DIRECT_VIP

    def __init__(self, lab):
        self._lab = lab
        self.iperf_address = lab.backend_address(BACKENDS[0])

    def start(self):
        self._lab.network.sysctl(ROUTER, "net.ipv4.fib_multipath_hash_policy=1")
        hops = [word for name in BACKENDS for word in ("nexthop", "via", self._lab.backend_address(name))]
        self._lab.network.route(ROUTER, f"{DIRECT_VIP}/32", *hops)


class _Guideway(_Variant):
    """Both daemons, one worker, --idle=adaptive."""

    encapsulation = None

    def __init__(self, lab):
        self._lab = lab
        self.iperf_address = self.vip
        probe = {**configuration.PROBE, "path": "/file", "interval": "1s", "rise": 1}
        pools = [configuration.pool(lab, "web", self.encapsulation, probe=probe),
                 configuration.pool(lab, "iperf", self.encapsulation, backends=BACKENDS[:1])]
        vips = [{"name": name, "address": self.vip, "port": port, "protocol": "tcp", "pool": name}
                for name, port in (("web", HTTP_PORT), ("iperf", IPERF_PORT))]
        self._config = {"flow_hash_secret": "a secret of the whole lab", "settle_time": "3s",
                        "pools": pools, "vips": vips}
        self._guideway = Guideway(lab, self._config, strict_malloc=False)

    def start(self):
        # The variants' configurations differ and their files do not.
        self._guideway.write_config(self._config)
        self._guideway.start()

    def not_counted(self):
        return {self._guideway.controlplane.pid}

    def check(self):
        return {reason: count for reason, count in self._guideway.check_balance()["drops"].items() if count}

    def stop(self):
        self._guideway.stop()
        for name in os.listdir(self._lab.flow_directory):  # each turn begins without flows
            os.remove(f"{self._lab.flow_directory}/{name}")


class GuidewayL2(_Guideway):
    name, vip, encapsulation = "guideway_l2", VIP[4], "l2"


class GuidewayIpip(_Guideway):
    """The servers take the tunnels apart with guideway-decap, in this variant only."""

    name, vip, encapsulation = "guideway_ipip", TUNNEL_VIP[4], "ipip"

    def __init__(self, lab):
        super().__init__(lab)
        self._decaps = [Decap(lab, name) for name in BACKENDS]

    def start(self):
        for decap in self._decaps:
            decap.start()
        super().start()

    def check(self):
        for name, decap in zip(BACKENDS, self._decaps):
            if not sum(decap.stats().values()):
                raise LabError(f"no tunnel packet came to {name}")
        return super().check()

    def stop(self):
        super().stop()
        for decap in self._decaps:
            decap.process.stop()


class _Proxy(_Variant):
    """A process that takes connections and opens others to the servers."""

    def __init__(self, lab, *command):
        self._lab = lab
        self.iperf_address = self.vip
        self._process = lab.process(f"{self.name}-balancer", GUIDEWAY, *command)

    def start(self):
        self._process.start()
        wait_until(self._listens, f"{self.title} listens")

    def _listens(self):
        if not self._process.running():
            raise LabError(f"{self.title} ended: {self._process.log()}")
        return self._lab.execute(GUIDEWAY, "ss", "-Htln", "src", f"{self.vip}:{HTTP_PORT}").stdout.strip()

    def stop(self):
        self._process.stop()


class HaProxy(_Proxy):
    name, vip = "haproxy", HAPROXY_VIP

    def __init__(self, lab):
        path = _write(lab, "haproxy.cfg", _HAPROXY, "  server {name} {address}:{http} check inter 1s",
                      vip=self.vip)
        super().__init__(lab, "haproxy", "-db", "-f", path)


class NginxStream(_Proxy):
    name, vip = "nginx", NGINX_VIP

    def __init__(self, lab):
        path = _write(lab, "balancer-nginx.conf", _NGINX, "    server {address}:{http};", vip=self.vip)
        super().__init__(lab, "nginx", "-c", path, "-e", f"{lab.directory}/balancer-error.log")


class Nftables(_Variant):
    """DNAT in the kernel, both ways through the balancer's host."""

    name, vip, iperf_address = "nftables", NFTABLES_VIP, NFTABLES_VIP

    def __init__(self, lab):
        self._lab = lab
        self._path = _write(lab, "balancer.nft", _NFTABLES, "{number} : {address}", ", ", vip=self.vip)

    def start(self):
        self._lab.execute(GUIDEWAY, "nft", "-f", self._path)

    def stop(self):
        self._lab.execute(GUIDEWAY, "nft", "delete", "table", "ip", "balancer")


ALL = (Direct, GuidewayL2, GuidewayIpip, HaProxy, NginxStream, Nftables)


def missing_programs():
    """What scripts/setup --bench would install."""
    paths = {"wrk": "/usr/bin/wrk", "haproxy": "/usr/sbin/haproxy", "iperf3": "/usr/bin/iperf3",
             "nft": "/usr/sbin/nft", "libnginx-mod-stream": "/usr/lib/nginx/modules/ngx_stream_module.so"}
    return [name for name, path in paths.items() if not os.path.exists(path)]
