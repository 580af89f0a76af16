#!/usr/bin/python3
"""Processor time of the control plane for each health probe, and how soon after a start all are known.

usage: probe_cost.py [BACKENDS] [SECONDS] [KIND...]   (2000 backends, 20 s, all kinds; needs root and
                                                       a built tree)

Two namespaces, no data plane: all backends are addresses that lead to one server, which takes IPIP
apart and serves HTTP, HTTPS (ECDSA P-256, not verified), UDP and pings. Every backend is probed every
5 s; exec probes run /bin/true, and their figure is without what the program itself takes. "dead":
TCP probes of addresses that nobody has, every one of which times out.
"""

import ipaddress
import os
import pathlib
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "lab"))

from lab import backends, configuration, namespaces, topology  # noqa: E402  (needs the path above)
from lab.guideway import CONTROLPLANE, processor_time_s  # noqa: E402
from lab.process import Process, run, wait_until  # noqa: E402

HOST, SERVER = "host", "server"
VIP = topology.TUNNEL_VIP[4]
FIRST = ipaddress.ip_address("10.1.0.1")
_NGINX = """\
daemon off; user root; worker_processes 1; worker_rlimit_nofile 65536; pid {directory}/pid; error_log {directory}/error.log;
events {{ worker_connections 16384; }}
http {{ access_log off; server {{ listen 80 backlog=4096; listen 443 ssl backlog=4096;
ssl_certificate {directory}/web.pem; ssl_certificate_key {directory}/web.key;
location / {{ return 200 "ok"; }} }} }}
"""
PROBES = {
    "tcp": {"type": "tcp", "port": 80},
    "http": {"type": "http", "port": 80},
    "https": {"type": "https", "port": 443, "tls_verify": False},
    "udp": {"type": "udp", "port": 53, "send": "x"},
    "icmp": {"type": "icmp"},
    "exec": {"type": "exec", "command": ["/bin/true"]},
    "dead": {"type": "tcp", "port": 80},
}
TUNNELED = ("tcp", "http")
# Answers what it gets, in as many processes as it needs to keep up.
_UDP_ECHO = """\
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
s.setsockopt(socket.IPPROTO_IP, 8, 1)  # IP_PKTINFO: answer from the address that was asked
s.bind(("", 53))
print("ready", flush=True)
while True:
    data, ancillary, _, peer = s.recvmsg(2048, 64)
    s.sendmsg([data], [(a, b, c) for a, b, c in ancillary], 0, peer)
"""
DEAD = ipaddress.ip_address("10.2.0.1")


def build(net, directory):
    for host in (HOST, SERVER):
        net.add_host(host)
    net.link(HOST, "eth0", SERVER, "eth0")
    net.address(HOST, "eth0", "10.0.0.1/24")
    net.address(SERVER, "eth0", "10.0.0.2/24")
    net.address(SERVER, "lo", f"{VIP}/32")
    net.route(HOST, "10.1.0.0/16", "via", "10.0.0.2")
    net.ip(SERVER, "route", "add", "blackhole", "10.2.0.0/16")
    net.route(HOST, "default", "via", "10.0.0.2")
    net.ip(SERVER, "route", "add", "local", "10.1.0.0/16", "dev", "lo")
    net.ip(SERVER, "link", "set", "dev", "eth0", "xdpdrv", "obj",
           backends.compile_decapsulation(directory), "sec", "xdp")


def measure(net, directory, count, kind, via, seconds):
    """(seconds until all are known, seconds of processor time of so many seconds after that)."""
    probe = {"interval": "5s", "timeout": "3s", "via": via, **PROBES[kind]}
    first = DEAD if kind == "dead" else FIRST
    pool = {"name": "web", "encapsulation": "ipip", "probe": probe,
            "backends": [{"name": f"b{i}", "address": str(first + i)} for i in range(count)]}
    config = {"flow_hash_secret": "a secret of the whole lab", "pools": [pool],
              "vips": [{"name": "v", "address": VIP, "port": 80, "protocol": "tcp", "pool": "web"}]}
    with open(f"{directory}/guideway.yaml", "w", encoding="ascii") as file:
        file.write(configuration.to_yaml(config))
    plane = Process(f"{kind}-{via}", net.name(HOST),
                    (CONTROLPLANE, "--config", f"{directory}/guideway.yaml",
                     f"--dataplane_socket={directory}/dataplane.sock", f"--socket={directory}/api.sock",
                     f"--state_directory={directory}/state"), f"{directory}/{kind}-{via}.log")
    plane.start(ready="ready", timeout_s=60)
    start = time.monotonic()
    verdict = " is unhealthy" if kind == "dead" else " is healthy"
    try:
        wait_until(lambda: plane.log().count(verdict) >= count, f"all are{verdict[3:]}", 60)
        known = time.monotonic() - start
        wrong = plane.log().count(" is ") - plane.log().count(verdict)
        if wrong > 0:
            print(f"{kind}: {wrong} wrong verdicts")
        before = processor_time_s(plane.pid)
        time.sleep(seconds)  # what is measured
        return known, processor_time_s(plane.pid) - before
    finally:
        plane.stop()


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    seconds = int(sys.argv[2]) if len(sys.argv) > 2 else 20
    kinds = sys.argv[3:] or list(PROBES)
    prefix = namespaces.own_prefix()
    net = namespaces.Network(prefix)
    directory = f"{namespaces.RUN_ROOT}/{prefix}"
    os.makedirs(directory, mode=0o700)
    try:
        build(net, directory)
        run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
            "-nodes", "-days", "2", "-subj", "/CN=web", "-keyout", f"{directory}/web.key", "-out",
            f"{directory}/web.pem")
        with open(f"{directory}/nginx.conf", "w", encoding="ascii") as file:
            file.write(_NGINX.format(directory=directory))
        server = Process("nginx", net.name(SERVER), ("nginx", "-c", f"{directory}/nginx.conf"),
                         f"{directory}/nginx.log")
        server.start()
        echo = Process("udp-echo", net.name(SERVER), (sys.executable, "-c", _UDP_ECHO),
                       f"{directory}/udp.log")
        echo.start(ready="ready")
        for kind in kinds:
            for via in ("direct", "tunnel") if kind in TUNNELED else ("direct",):
                known, used = measure(net, directory, count, kind, via, seconds)
                print(f"{kind:5} {via:7} {used / (count * seconds / 5) * 1e6:6.0f} us a probe, "
                      f"{used / seconds * 100:5.1f} % of a processor for {count} backends; all known "
                      f"after {known:.1f} s", flush=True)
        echo.stop()
        server.stop()
    finally:
        namespaces.remove(prefix)


if __name__ == "__main__":
    sys.exit(main())
