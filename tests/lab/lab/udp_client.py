"""Asks a UDP echo server; prints who answered as JSON.

usage: udp_client.py ADDRESS PORT COUNT SOURCE_PORT STEP TIMEOUT_S

SOURCE_PORT is the first question's (0: any), STEP what is added for each further one.
"""

import collections
import json
import socket
import sys


def main():
    address, port, count, source_port, step = sys.argv[1], *map(int, sys.argv[2:6])
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    answers, failed = collections.Counter(), 0
    for number in range(count):
        with socket.socket(family, socket.SOCK_DGRAM) as client:
            client.settimeout(float(sys.argv[6]))
            if source_port:
                client.bind(("", source_port + number * step))
            client.connect((address, port))
            question = f"question {number}".encode()
            client.send(question)
            try:
                name, _, echo = client.recv(65535).partition(b" ")
            except OSError:
                failed += 1
                continue
            if echo != question:
                sys.exit(f"the answer to {question!r} is {echo!r}")
            answers[name.decode()] += 1
    json.dump({"answers": answers, "failed": failed}, sys.stdout)


main()
