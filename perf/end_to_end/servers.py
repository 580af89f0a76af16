"""The servers of all variants: nginx with a small static file on every backend, iperf3 on the first."""

import os
import re

from lab.process import wait_until
from lab.topology import BACKENDS, GUIDEWAY

HTTP_PORT, STATUS_PORT, IPERF_PORT = 80, 81, 5201
FILE_BYTES = 1024
PATH = "/file"

_NGINX = """\
daemon off;
user root;
worker_processes 1;
pid {directory}/pid;
error_log {directory}/error.log error;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  sendfile on;
  tcp_nopush on;
  open_file_cache max=16;
  keepalive_requests 1000000000;
  client_body_temp_path {directory}/t1; proxy_temp_path {directory}/t2;
  fastcgi_temp_path {directory}/t3; uwsgi_temp_path {directory}/t4; scgi_temp_path {directory}/t5;
  server {{ listen {http_port} backlog=4096; location / {{ root {files}; }} }}
  server {{ listen {status_port}; location / {{ stub_status; }} }}
}}
"""


class Servers:
    """Run as long as the lab."""

    def __init__(self, lab):
        self._lab = lab
        files = f"{lab.directory}/files"
        os.makedirs(files)
        with open(files + PATH, "wb") as file:
            file.write(os.urandom(FILE_BYTES))
        for backend in BACKENDS:
            directory = f"{lab.directory}/{backend}-nginx"
            os.makedirs(directory)
            with open(f"{directory}/nginx.conf", "w", encoding="ascii") as conf:
                conf.write(_NGINX.format(directory=directory, files=files, http_port=HTTP_PORT,
                                         status_port=STATUS_PORT))
            lab.process(f"{backend}-nginx-out", backend, "nginx", "-c", f"{directory}/nginx.conf",
                        "-e", f"{directory}/error.log").start()
            wait_until(lambda name=backend: self._status(name), f"nginx on {backend} answers")
        lab.process("iperf3", BACKENDS[0], "iperf3", "-s", "--forceflush", "-p",
                    IPERF_PORT).start(ready="Server listening")

    def _status(self, backend):
        url = f"http://{self._lab.backend_address(backend)}:{STATUS_PORT}/"
        return self._lab.execute(GUIDEWAY, "curl", "-sf", "-m", 1, url, check=False).stdout

    def requests(self):
        """{backend: requests that its nginx has answered so far}."""
        return {backend: int(re.search(r"^ \d+ \d+ (\d+)", self._status(backend), re.MULTILINE).group(1))
                for backend in BACKENDS}
