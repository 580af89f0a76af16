"""What the client does: HTTP requests, UDP questions, downloads."""

import collections
import hashlib
import json
import os
import sys

from lab.process import LabError, wait_until
from lab.topology import CLIENT

_HERE = os.path.dirname(os.path.abspath(__file__))


def url(vip, path="/", port=80):
    host = f"[{vip}]" if ":" in vip else vip
    return f"http://{host}:{port}{path}"


class Answers(collections.Counter):
    """How often each backend answered; `failed` counts the requests that nobody answered."""

    failed = 0

    @property
    def answered(self):
        return sum(self.values())


def http_requests(lab, vip, count, timeout_s=3):
    """`count` curl processes one after the other, each with its own connection."""
    script = ('for ((i = 0; i < $2; i++)); do '
              'curl -gsSf -m "$3" "$1" 2>/dev/null || echo "failed"; done')
    done = lab.execute(CLIENT, "bash", "-c", script, "requests", url(vip), count, timeout_s,
                       timeout_s=count * timeout_s + 10)
    answers = Answers(done.stdout.split())
    answers.failed = answers.pop("failed", 0)
    if answers.answered + answers.failed != count:
        raise LabError(f"curl said {done.stdout!r} to {count} requests")
    return answers


def udp_requests(lab, vip, count, port=9000, source_port=0, step=0, timeout_s=2):
    """`count` UDP questions, each from its own socket: from any port, or from `source_port` on."""
    done = lab.execute(CLIENT, sys.executable, f"{_HERE}/udp_client.py", vip, port, count,
                       source_port, step, timeout_s, timeout_s=count * timeout_s + 10)
    result = json.loads(done.stdout)
    answers = Answers(result["answers"])
    answers.failed = result["failed"]
    return answers


class Download:
    """A slow download running in the client's namespace."""

    _count = 0

    def __init__(self, lab, vip):
        Download._count += 1
        self.path = f"{lab.directory}/downloaded-{Download._count}"
        self._process = lab.process(f"download-{Download._count}", CLIENT, "curl", "-gsSf", "-m",
                                    90, "-o", self.path, url(vip, "/file/download"))

    def start(self):
        self._process.start()
        return self

    def bytes_so_far(self):
        return os.path.getsize(self.path) if os.path.exists(self.path) else 0

    def running(self):
        return self._process.running()

    def ended(self):
        return not self._process.running()

    def sha256(self):
        if self._process.stop() != 0:
            raise LabError(f"the download failed: {self._process.log().strip()}")
        with open(self.path, "rb") as file:
            return hashlib.sha256(file.read()).hexdigest()


class SlowDownloads:
    """Many at once, from the two VIPs in turn, in the client's namespace."""

    _count = 0

    def __init__(self, lab, sha256, vips, count, path="/slow/slow"):
        SlowDownloads._count += 1
        self.count = count
        self._process = lab.process(f"slow-downloads-{SlowDownloads._count}", CLIENT,
                                    sys.executable, f"{_HERE}/downloads_client.py", count, sha256,
                                    path, *vips)

    def start(self):
        """Returns when all have begun."""
        self._process.start(ready="all run", timeout_s=20)
        return self

    def running(self):
        return self._process.running()

    def broken(self, timeout_s=60):
        """Waits for the end; how many downloads failed, by reason."""
        wait_until(lambda: not self._process.running(), "the downloads ended", timeout_s)
        lines = self._process.log().splitlines()
        if self._process.stop() != 0:
            raise LabError(f"the downloads' process failed: {lines}")
        result = json.loads(lines[-1])
        if result["right"] + sum(result["broken"].values()) != self.count:
            raise LabError(f"not {self.count} downloads: {result}")
        return result["broken"]


class Load:
    """Requests without end from the client, one after the other, until stop()."""

    _count = 0

    def __init__(self, lab, *vips):
        Load._count += 1
        self._process = lab.process(f"load-{Load._count}", CLIENT, sys.executable,
                                    f"{_HERE}/load_client.py", *vips)

    def __enter__(self):
        self._process.start(ready="ready")
        return self

    def __exit__(self, *_):
        self._process.stop()

    def stop(self):
        """Answers by backend; raises if any request had no answer."""
        self._process.stop()
        result = json.loads(self._process.log().splitlines()[-1])
        if result["errors"]:
            raise LabError(f"{len(result['errors'])} requests failed, the first: "
                           f"{result['errors'][0]}")
        if not result["answers"]:
            raise LabError("the load made no request")
        return Answers(result["answers"])


class KeptConnections:
    """Clients that ask again and again on the same connection, until stop()."""

    _count = 0

    def __init__(self, lab, vip, count, timeout_s):
        KeptConnections._count += 1
        self._process = lab.process(f"kept-{KeptConnections._count}", CLIENT, sys.executable,
                                    f"{_HERE}/keepalive_client.py", count, timeout_s, vip)

    def start(self):
        self._process.start(ready="ready")
        return self

    def stop(self):
        """{"errors": how often by kind, "longest_s": without an answer}"""
        self._process.stop()
        return json.loads(self._process.log().splitlines()[-1])


class Knocks:
    """New connections without end from the client, 50 a second, whoever answers them or not."""

    _count = 0

    def __init__(self, lab, vip, port=80):
        Knocks._count += 1
        self._process = lab.process(f"knocks-{Knocks._count}", CLIENT, sys.executable,
                                    f"{_HERE}/knocking_client.py", vip, port)

    def __enter__(self):
        self._process.start(ready="ready")
        return self

    def __exit__(self, *_):
        self._process.stop()
