#!/usr/bin/python3
"""Processor time of the control plane for each health probe, direct and through the tunnel.

usage: probe_cost.py [BACKENDS] [SECONDS]     (2000 backends, 20 s; needs root and a built tree)

Two namespaces, no data plane: all backends are addresses that lead to one server, which takes IPIP
apart and serves HTTP. Every backend is probed every 5 s.
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
http {{ access_log off; server {{ listen 80 backlog=4096; location / {{ return 200 "ok"; }} }} }}
"""


def build(net, directory):
    for host in (HOST, SERVER):
        net.add_host(host)
    net.link(HOST, "eth0", SERVER, "eth0")
    net.address(HOST, "eth0", "10.0.0.1/24")
    net.address(SERVER, "eth0", "10.0.0.2/24")
    net.address(SERVER, "lo", f"{VIP}/32")
    net.route(HOST, "10.1.0.0/16", "via", "10.0.0.2")
    net.route(HOST, "default", "via", "10.0.0.2")
    net.ip(SERVER, "route", "add", "local", "10.1.0.0/16", "dev", "lo")
    net.ip(SERVER, "link", "set", "dev", "eth0", "xdpdrv", "obj",
           backends.compile_decapsulation(directory), "sec", "xdp")


def measure(net, directory, count, kind, via, seconds):
    """(seconds of processor time, probes) of so many seconds."""
    probe = {"type": kind, "port": 80, "interval": "5s", "timeout": "3s", "via": via}
    pool = {"name": "web", "encapsulation": "ipip", "probe": probe,
            "backends": [{"name": f"b{i}", "address": str(FIRST + i)} for i in range(count)]}
    config = {"flow_hash_secret": "a secret of the whole lab", "pools": [pool],
              "vips": [{"name": "v", "address": VIP, "port": 80, "protocol": "tcp", "pool": "web"}]}
    with open(f"{directory}/guideway.yaml", "w", encoding="ascii") as file:
        file.write(configuration.to_yaml(config))
    plane = Process(f"{kind}-{via}", net.name(HOST),
                    (CONTROLPLANE, "--config", f"{directory}/guideway.yaml",
                     f"--dataplane_socket={directory}/dataplane.sock", f"--socket={directory}/api.sock",
                     f"--state_directory={directory}/state"), f"{directory}/{kind}-{via}.log")
    plane.start(ready="ready", timeout_s=60)
    try:
        wait_until(lambda: plane.log().count(" is healthy") >= count, "all are healthy", 60)
        before = processor_time_s(plane.pid)
        time.sleep(seconds)  # what is measured
        return processor_time_s(plane.pid) - before, count * seconds / 5
    finally:
        plane.stop()


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    seconds = int(sys.argv[2]) if len(sys.argv) > 2 else 20
    prefix = namespaces.own_prefix()
    net = namespaces.Network(prefix)
    directory = f"{namespaces.RUN_ROOT}/{prefix}"
    os.makedirs(directory, mode=0o700)
    try:
        build(net, directory)
        with open(f"{directory}/nginx.conf", "w", encoding="ascii") as file:
            file.write(_NGINX.format(directory=directory))
        server = Process("nginx", net.name(SERVER), ("nginx", "-c", f"{directory}/nginx.conf"),
                         f"{directory}/nginx.log")
        server.start()
        for kind in ("tcp", "http"):
            for via in ("direct", "tunnel"):
                used, probes = measure(net, directory, count, kind, via, seconds)
                print(f"{kind:5} {via:7} {used / probes * 1e6:6.0f} us a probe, "
                      f"{used / seconds * 100:5.1f} % of a processor for {count} backends", flush=True)
        server.stop()
    finally:
        namespaces.remove(prefix)


if __name__ == "__main__":
    sys.exit(main())
