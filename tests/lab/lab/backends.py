"""The servers on the backends: nginx, UDP echo, and the decapsulation of tunnels."""

import hashlib
import ipaddress
import json
import os
import random
import sys

from lab.process import LabError, run, wait_until
from lab.topology import BACKENDS, FAMILIES, TUNNEL_VIP, VIP

HTTP_PORT = 80
UDP_PORT = 9000
DOWNLOAD_BYTES = 3_000_000
SLOW_BYTES = 400_000
# A download takes about 5 s, a slow one 14 s, a crawling one 80 s, an endless one 390 s.
_RATE, _SLOW_RATE, _CRAWL_RATE, _ENDLESS_RATE = "600k", "30k", "5k", "1k"
_HERE = os.path.dirname(os.path.abspath(__file__))
CARRIERS = ("ipip", "gre", "gue")
_KINDS = tuple(f"{carrier} {what}" for carrier in CARRIERS
               for what in ("4in4", "6in4", "4in6", "6in6")) + ("l3dsr 4", "l3dsr 6")
L3DSR_DSCP = 46  # stands for the tunnel VIPs

_NGINX = """\
daemon off;
user root;
worker_processes 1;
pid {directory}/pid;
error_log {directory}/error.log notice;
events {{ worker_connections 512; }}
http {{
  log_format lab '$remote_addr $server_addr $status $request_uri';
  access_log {directory}/access.log lab;
  client_body_temp_path {directory}/t1; proxy_temp_path {directory}/t2;
  fastcgi_temp_path {directory}/t3; uwsgi_temp_path {directory}/t4; scgi_temp_path {directory}/t5;
  server {{
    listen {port} reuseport;
    listen [::]:{port} ipv6only=on reuseport;
    keepalive_timeout 60s;
    location / {{ default_type text/plain; return 200 "{name}\\n"; }}
    location = /upload {{  # keeps the body in a file and answers like /
      client_body_in_file_only on; client_max_body_size 10m; proxy_pass http://127.0.0.1:{port}/;
    }}
    location = /health {{ access_log off; return 200 "ok\\n"; }}
    location /file/ {{ alias {files}/; limit_rate {rate}; }}
    location /slow/ {{ alias {files}/; limit_rate {slow_rate}; }}
    location /crawl/ {{ alias {files}/; limit_rate {crawl_rate}; }}
    location /endless/ {{ alias {files}/; limit_rate {endless_rate}; }}
  }}
}}
"""


class Backend:
    """One backend's servers."""

    def __init__(self, lab, name, files):
        self.name = name
        self._lab = lab
        self.decap = None
        directory = f"{lab.directory}/{name}-nginx"
        os.makedirs(directory, exist_ok=True)
        self.access_log = f"{directory}/access.log"
        with open(f"{directory}/nginx.conf", "w", encoding="ascii") as conf:
            conf.write(_NGINX.format(directory=directory, name=name, port=HTTP_PORT, files=files,
                                     rate=_RATE, slow_rate=_SLOW_RATE,
                                     crawl_rate=_CRAWL_RATE, endless_rate=_ENDLESS_RATE))
        self.nginx = lab.process(f"{name}-nginx-out", name, "nginx", "-c",
                                 f"{directory}/nginx.conf", "-e", f"{directory}/error.log")
        # Its own as well, for probes.
        addresses = [vip[family] for vip in (VIP, TUNNEL_VIP) for family in FAMILIES]
        addresses.append(lab.backend_address(name))
        self.udp_echo = lab.process(f"{name}-udp-echo", name, sys.executable,
                                    f"{_HERE}/udp_echo.py", name, UDP_PORT, *addresses)

    def start(self):
        self.start_nginx()
        self.udp_echo.start(ready="ready")

    def start_nginx(self):
        self.nginx.start()
        wait_until(self._answers, f"nginx on {self.name} answers")

    def _answers(self):
        if not self.nginx.running():
            raise LabError(f"nginx on {self.name} ended: {self.nginx.log()}")
        url = f"http://{self._lab.backend_address(self.name)}:{HTTP_PORT}/health"
        return self._lab.execute(self.name, "curl", "-sf", "-m", 1, url, check=False).returncode == 0

    def logged(self):
        """[(client address, server address, status, path)] of nginx, probes left out."""
        if not os.path.exists(self.access_log):
            return []
        with open(self.access_log, encoding="utf-8") as log:
            return [tuple(line.split(maxsplit=3)) for line in log.read().splitlines()]

    def load_decapsulation(self, program):
        self._lab.network.ip(self.name, "link", "set", "dev", "eth0", "xdpdrv", "obj", program,
                             "sec", "xdp")

    def decapsulated(self):
        """Packets so far, by kind ("gre 4in6": IPv4 in GRE in IPv6, "l3dsr 4": to the tunnel VIP)."""
        link = json.loads(run("ip", "-j", "-n", self._lab.network.name(self.name), "link", "show",
                              "eth0").stdout)[0]
        program = _bpftool("prog", "show", "id", link["xdp"]["prog"]["id"])
        entries = _bpftool("map", "dump", "id", program["map_ids"][0])
        counts = {entry["formatted"]["key"]: entry["formatted"]["value"] for entry in entries}
        return {kind: counts[index] for index, kind in enumerate(_KINDS)}


def _bpftool(*arguments):
    path = "/usr/sbin/bpftool" if os.path.exists("/usr/sbin/bpftool") else "bpftool"
    return json.loads(run(path, "-j", *arguments).stdout)


def compile_decapsulation(directory):
    """Compiles the lab's decapsulation program; returns the object's path."""
    source = os.path.join(_HERE, "..", "bpf", "decapsulate.bpf.c")
    target = f"{directory}/decapsulate.o"
    words = {family: [hex(int.from_bytes(packed[i:i + 4], "big")) for i in range(0, len(packed), 4)]
             for family, packed in ((family, ipaddress.ip_address(TUNNEL_VIP[family]).packed)
                                    for family in FAMILIES)}
    multiarch = run("gcc", "-print-multiarch").stdout.strip()
    run("clang", "-O2", "-g", "-Wall", "-Werror", "-target", "bpf", f"-I/usr/include/{multiarch}",
        f"-DL3DSR_DSCP={L3DSR_DSCP}", f"-DL3DSR_VIP4={words[4][0]}",
        f"-DL3DSR_VIP6={','.join(words[6])}",
        "-c", source, "-o", target)
    return target


def make_file(directory, name, size):
    """Writes a file that clients download; returns its SHA-256."""
    os.makedirs(directory, exist_ok=True)
    content = random.Random(size).randbytes(size)
    with open(f"{directory}/{name}", "wb") as file:
        file.write(content)
    return hashlib.sha256(content).hexdigest()


class Backends:
    """All backends of a lab, by name. `decap(lab, name)`, if given, makes what takes tunnels apart."""

    def __init__(self, lab, decap=None):
        files = f"{lab.directory}/files"
        self.download_sha256 = make_file(files, "download", DOWNLOAD_BYTES)
        self.slow_sha256 = make_file(files, "slow", SLOW_BYTES)
        self._by_name = {name: Backend(lab, name, files) for name in BACKENDS}
        program = None if decap else compile_decapsulation(lab.directory)
        for backend in self._by_name.values():
            if decap:
                backend.decap = decap(lab, backend.name)
                backend.decap.start()
            else:
                backend.load_decapsulation(program)
            backend.start()

    def __getitem__(self, name):
        return self._by_name[name]

    def __iter__(self):
        return iter(self._by_name.values())
