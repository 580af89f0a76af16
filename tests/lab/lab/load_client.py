"""Requests over new connections to several VIPs in turn until SIGTERM; then prints the sums as JSON.

usage: load_client.py ADDRESS...
"""

import collections
import http.client
import json
import signal
import sys

_stop = False


def _on_term(*_):
    global _stop  # a signal handler has no other way
    _stop = True


def main():
    signal.signal(signal.SIGTERM, _on_term)
    answers, errors = collections.Counter(), []
    print("ready", flush=True)
    while not _stop:
        for address in sys.argv[1:]:
            connection = http.client.HTTPConnection(address, 80, timeout=3)
            try:
                connection.request("GET", "/", headers={"Connection": "close"})
                response = connection.getresponse()
                answers[response.read().decode().strip()] += 1
            except (OSError, http.client.HTTPException) as error:
                errors.append(f"{address}: {error!r}")
            finally:
                connection.close()
    print()
    print(json.dumps({"answers": answers, "errors": errors}), flush=True)


main()
