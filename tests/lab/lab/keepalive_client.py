"""Clients that keep their connections: one request after the other, each with a timeout.

usage: keepalive_client.py COUNT TIMEOUT_S ADDRESS

Prints "ready" when every client has had an answer, and at SIGTERM a line of JSON: how often each kind of
error ended a connection, after which the client connects anew, and the longest time in seconds that a
client was without an answer.
"""

import collections
import http.client
import json
import signal
import sys
import threading
import time

_PAUSE_S = 0.1


class Client(threading.Thread):
    def __init__(self, address, timeout_s, stopping):
        super().__init__(daemon=True)
        self._address, self._timeout_s, self._stopping = address, timeout_s, stopping
        self.answered = threading.Event()
        self.errors = collections.Counter()
        self.longest_s = 0.0

    def run(self):
        connection = None
        last = time.monotonic()
        while not self._stopping.wait(_PAUSE_S):
            try:
                if connection is None:
                    connection = http.client.HTTPConnection(self._address, timeout=self._timeout_s)
                connection.request("GET", "/")
                connection.getresponse().read()
            except (OSError, http.client.HTTPException) as error:
                self.errors[type(error).__name__] += 1
                connection.close()
                connection = None
                continue
            self.longest_s = max(self.longest_s, time.monotonic() - last)
            last = time.monotonic()
            self.answered.set()


def main():
    count, timeout_s, address = int(sys.argv[1]), float(sys.argv[2]), sys.argv[3]
    stopping = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopping.set())
    clients = [Client(address, timeout_s, stopping) for _ in range(count)]
    for client in clients:
        client.start()
    for client in clients:
        client.answered.wait()
    print("ready", flush=True)
    while not stopping.wait(0.1):
        pass
    for client in clients:
        client.join()
    errors = sum((client.errors for client in clients), collections.Counter())
    print(json.dumps({"errors": errors, "longest_s": max(c.longest_s for c in clients)}), flush=True)


main()
