"""The flow hash, written from docs/decisions/0002-flow-hash.md.

Run alone it prints the golden values that tests/unit/hash/flow_hash_test.cc pins."""
import ipaddress

from siphash import MASK, siphash24

GUIDEWAY = 0x6775696465776179


def key_from_secret(secret):
    d0 = siphash24(GUIDEWAY, 0, secret)
    d1 = siphash24(GUIDEWAY, 1, secret)
    return [siphash24(d0, d1, i.to_bytes(8, "little")) for i in range(6)]


def _address(text):
    address = ipaddress.ip_address(text)
    return (bytes(10) + b"\xff\xff" if address.version == 4 else b"") + address.packed


def _fold(a, b):
    product = a * b
    return (product & MASK) ^ (product >> 64)


def flow_hash(key, source, source_port, destination, destination_port, protocol):
    flow = (_address(source) + _address(destination) + source_port.to_bytes(2, "big") +
            destination_port.to_bytes(2, "big") + bytes([protocol, 0, 0, 0]))
    w = [int.from_bytes(flow[i:i + 8], "little") for i in range(0, 40, 8)]
    destination_part = _fold(w[2] ^ key[2], w[3] ^ key[3])
    return _fold(_fold(w[0] ^ key[0], w[1] ^ key[1]) ^ w[4] ^ key[4],
                 destination_part ^ key[5]) or 1


if __name__ == "__main__":
    for secret in (b"", b"secret", bytes(range(100))):
        key = key_from_secret(secret)
        print([hex(k) for k in key])
        print(hex(flow_hash(key, "192.0.2.1", 40000, "198.51.100.1", 443, 6)),
              hex(flow_hash(key, "2001:db8::1", 40000, "2001:db8:1::1", 443, 17)))
