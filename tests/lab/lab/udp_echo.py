"""UDP echo server of a backend: answers from the address that was asked, with the backend's name.

usage: udp_echo.py NAME PORT ADDRESS...
"""

import selectors
import socket
import sys


def main():
    name, port = sys.argv[1], int(sys.argv[2])
    selector = selectors.DefaultSelector()
    for address in sys.argv[3:]:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        server = socket.socket(family, socket.SOCK_DGRAM)
        server.bind((address, port))
        selector.register(server, selectors.EVENT_READ)
    print("ready", flush=True)
    while True:
        for key, _ in selector.select():
            payload, client = key.fileobj.recvfrom(65535)
            key.fileobj.sendto(name.encode() + b" " + payload, client)


main()
