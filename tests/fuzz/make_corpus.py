#!/usr/bin/env python3
"""Writes the seeds of the fuzz targets from the golden packets and the example configuration.

Usage: make_corpus.py GOLDEN_PACKETS    (made by tests/packet/make_golden.py)
Files named seed-* in tests/fuzz/corpus/TARGET are made anew; others (regressions) stay.
"""
import pathlib
import re
import struct
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
MAX_PATH_BURST = 8


def write(target, seeds):
    """`seeds`: name -> bytes."""
    folder = HERE / "corpus" / target
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("seed-*"):
        old.unlink()
    for name, data in seeds.items():
        (folder / ("seed-" + re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-"))).write_bytes(data)


def golden_packets(path):
    """[(case, headroom, frame, expectation without the bytes)]"""
    packets, case, headroom, frame = [], "", 128, b""
    for line in pathlib.Path(path).read_text().splitlines():
        word, _, rest = line.partition(" ")
        if word == "case":
            case, headroom = rest, 128
        elif word == "headroom":
            headroom = int(rest)
        elif word == "packet":
            frame = b"" if rest == "-" else bytes.fromhex(rest)
        elif word == "expect":
            words = rest.split()  # forward PORT BYTES | answer BYTES | drop REASON | to_kernel
            what = words[0] if words[0] == "answer" else " ".join(words[:2])
            packets.append((case, headroom, frame, what))
    return packets


def path_record(headroom, frame):
    choices = {128: 0, 40: 1, 20: 2}
    if headroom in choices:
        return struct.pack("<BH", choices[headroom], len(frame)) + frame
    return struct.pack("<BBH", 3, headroom, len(frame)) + frame


def packet_seeds(packets):
    """One frame for each kind of case; bursts by what becomes of the packets."""
    frames, bursts = {}, {}
    for case, headroom, frame, expectation in packets:
        kind = re.sub(r"^(l2-v4|l2-v6|[46]in[46]|to-kernel|drop)-", "", case).split("-")[0]
        if 0 < len(frame) <= 200:
            frames.setdefault((kind, expectation, frame[12:14]), (case, frame))
        where = expectation
        if expectation.startswith("forward"):
            where = "forward " + case.split("-tcp")[0].split("-udp")[0].split("-dscp")[0][:5]
        bursts.setdefault(where, []).append(path_record(headroom, frame))
    mixed = [records[0] for records in bursts.values()]
    bursts["everything"] = mixed
    kinds = {}
    for case, headroom, frame, _ in packets:
        if case.startswith("quic-29-"):
            kinds.setdefault(case.split("-to-")[0], path_record(headroom, frame))
    bursts["quic"] = list(kinds.values())
    whole = ("everything", "quic")
    return (dict(frames.values()),
            {name: b"".join(records if name in whole else records[:MAX_PATH_BURST])
             for name, records in bursts.items()})


def quote_seeds(packets):
    """What the golden ICMP errors quote: this worker knows the flow, another one, or none."""
    seeds = {}
    for case, _, frame, _ in packets:
        ipv6 = frame[12:14] == b"\x86\xdd"
        at = 54 if ipv6 else 34
        types = {1: 0, 2: 1, 3: 2, 4: 3} if ipv6 else {3: 0, 11: 1, 12: 2}
        if not case.startswith(("icmp-error", "icmp-bad-error")) or len(frame) < at + 8:
            continue
        control = ipv6 | len(seeds) % 8 << 1 | types.get(frame[at], 0) << 5 | 16
        protocol = frame[at + 14:at + 15] if ipv6 else frame[at + 17:at + 18]
        kind = (re.sub(r"[0-9a-f.:]+", "", case), frame[at], protocol)
        seeds.setdefault(kind, (case, bytes([control, frame[at + 1]]) + frame[at + 8:at + 128]))
    return dict(seeds.values())


def chain_seeds(packets):
    """The golden packets' IPv4 options and IPv6 extension headers, ports behind them."""
    seeds = {}
    for case, _, frame, _ in packets:
        if frame[12:14] == b"\x08\x00" and len(frame) > 34 and frame[14] > 0x45:
            options = frame[34:14 + (frame[14] & 15) * 4]
            seeds.setdefault((len(options), options[:1]), ("options-" + case, b"\0" + options))
        if frame[12:14] == b"\x86\xdd" and len(frame) > 54 and frame[20] in (0, 43, 44, 51, 60):
            kind = frame[20] or 1
            seeds.setdefault((kind, frame[54], len(frame)), ("headers-" + case, bytes([kind]) + frame[54:300]))
    return dict(seeds.values())


# Requests of lib/channel/messages.h, as steps of table_requests_fuzz.cc.
def request(kind, body=b""):
    return struct.pack("<BB", kind, len(body)) + body


def mapped(last):
    return bytes(10) + b"\xff\xff" + bytes([198, 51, 100, last])


def begin(full, base=0):
    return request(1, struct.pack("<QB", base, full))


GLOBALS = request(2, struct.pack("<6Q4IB7x", 1, 2, 3, 4, 5, 6, 30, 3600, 31, 120, 1))
READ_COUNTERS, ABORT, HANG_UP = request(13), request(12), b"\x80"


def vip(index, pool, last=1, port=80, protocol=6, max_segment_size=0):
    return request(3, struct.pack("<II", index, pool) + mapped(last) +
                   struct.pack(">HB", port, protocol) + struct.pack("<xH", max_segment_size))


def pool(index, slots=7, arena_slot=0, scheduler=0, source_bits=(0, 0)):
    return request(5, struct.pack("<3I4B", index, slots, arena_slot, scheduler, *source_bits, 0))


L2, IPIP, GRE, GUE, L3DSR = range(5)


def backend(index, next_hop=0xffffffff, encapsulation=L2, source=None, server_id=b"", **fields):
    return request(7, struct.pack("<IHBB", index, 1, 1, encapsulation) + (source or mapped(200)) +
                   mapped(100 + index % 100) + struct.pack("<I", next_hop) +
                   struct.pack(">H", fields.get("gue_port", 0)) +
                   bytes(fields.get(name, 0) for name in (
                       "gue_hop_list", "gue_zero_checksum6", "source_flow_bits", "dscp")) +
                   server_id.ljust(15, b"\0") + bytes([len(server_id)]) +
                   bytes(2) + struct.pack("<I", 0))


def next_hop(index, mtu=1500, vlan=0):
    return request(9, struct.pack("<IHH", index, 1, mtu) +
                   bytes.fromhex("020000000100020000000001") + struct.pack("<H", vlan))


def quic_lb(index, server_id_bytes, nonce_bytes, key=None):
    return request(14, struct.pack("<IBBB", index, server_id_bytes, nonce_bytes, key is not None) +
                   (key or bytes(16)))


def delete(kind, index):
    return request(kind, struct.pack("<I", index))


def commit(generation):
    return request(11, struct.pack("<Q", generation))


def fill(slot, current, previous):
    return struct.pack("<BBHH", 96, slot, current, previous)


def table_seeds():
    roomy, narrow = struct.pack("<H", 4000), struct.pack("<H", 12)
    first = (fill(0, 1, 1) + begin(1) + GLOBALS + vip(0, 0) + pool(0) + backend(1, 2) +
             next_hop(2) + commit(1))
    return {
        "first": roomy + first,
        "delta": roomy + first + begin(0, 1) + vip(1, 0, 2) + backend(1) + commit(2),
        "delete": roomy + first + begin(0, 1) + delete(4, 0) + delete(6, 0) + delete(8, 1) +
                  delete(10, 2) + commit(2),
        "empty-again": roomy + first + begin(1) + GLOBALS + commit(9),
        "abort": roomy + first + begin(0, 1) + vip(1, 0, 2) + ABORT + READ_COUNTERS,
        "hang-up": roomy + first + begin(0, 1) + pool(1) + HANG_UP + begin(0, 1) + commit(2),
        "unresolved": roomy + first + begin(0, 1) + delete(8, 1) + commit(2),
        "no-globals": roomy + begin(1) + vip(0, 0) + commit(1),
        "duplicate": roomy + first + begin(0, 1) + vip(1, 0, 1) + commit(2),
        "stale": roomy + first + begin(0, 0) + begin(0, 1) + commit(1) + begin(0, 1) + commit(0),
        "tunnels": roomy + fill(0, 1, 3) + begin(1) + GLOBALS + vip(0, 0) + pool(0, 23) +
                   backend(1, 0, IPIP) + backend(3, 0, GRE) + next_hop(0) + commit(5),
        "encapsulations": roomy + fill(0, 1, 3) + begin(1) + GLOBALS + vip(0, 0) + pool(0, 23) +
                          backend(1, 0, GUE, gue_port=6080, gue_hop_list=1) +
                          backend(2, 0, GUE, mapped(0), gue_port=6080, source_flow_bits=8) +
                          backend(3, 0, L3DSR, dscp=63) + next_hop(0, 1500, 4094) + commit(5),
        "schedulers": roomy + fill(0, 1, 3) + begin(1) + GLOBALS + pool(0, 7, 0, 1, (24, 56)) +
                      pool(1, 23, 0, 2) + pool(2, 7, 0, 3) + pool(3, 11, 0, 4) + backend(1) +
                      backend(3) + vip(0, 2) + commit(5) + begin(0, 5) + pool(1, 23, 0, 5),
        "families": roomy + begin(1) + backend(1, 0, IPIP, bytes(15) + b"\x05"),
        "segment-sizes": roomy + begin(1) + GLOBALS + vip(0, 0, 1, 80, 6, 536) + pool(0) +
                         vip(1, 0, 2, 80, 6, 9000) + commit(1) + begin(1) +
                         vip(0, 0, 1, 80, 6, 535) + begin(1) + vip(0, 0, 1, 80, 6, 9001),
        "impossible-backend": roomy + fill(1, 0x4000, 1) + begin(1) + pool(0, 7, 1),
        "beyond-the-arena": roomy + begin(1) + pool(0, 24) + begin(1) + pool(0, 7, 2),
        "no-memory": narrow + first + begin(0, 1) + b"".join(pool(i, 23) for i in range(6)),
        "ranges": roomy + b"".join(begin(1) + bad for bad in (
            vip(4096, 0), vip(0, 2048), vip(0, 0, 1, 80, 1), next_hop(0, 67),
            next_hop(0, 1500, 4095), backend(16384), backend(0, 0, GUE), backend(0, 0, 5),
            delete(4, 4096), pool(0, 2))),
        "quic": roomy + fill(0, 1, 1) + begin(1) + GLOBALS + vip(1, 0, 1, 443, 17) + pool(0) +
                backend(1, server_id=b"\x5e\x01") + backend(2, server_id=b"\x5e\x02") +
                quic_lb(7, 2, 4) + quic_lb(13, 2, 14, bytes(range(16))) + commit(1) +
                begin(0, 1) + delete(15, 7) + backend(2) + commit(2) +
                begin(0, 2) + delete(4, 1) + commit(3) + begin(0, 2) + quic_lb(0, 2, 4) + commit(3),
        "quic-twice": roomy + begin(1) + GLOBALS + fill(0, 1, 1) + pool(0) +
                      backend(1, server_id=b"\x5e") + backend(2, server_id=b"\x5e") + commit(1),
        "unknown": roomy + request(16) + request(0) + struct.pack("<BIB", 32, 0xdeadbeef, 0),
    }


def quic_seeds():
    """Each of the forms that a connection ID has, and what names no server."""
    sys.path.insert(0, str(ROOT / "tests" / "oracle"))
    from quic_lb import connection_id  # pylint: disable=import-outside-toplevel
    key = bytes(range(16))
    seeds = {}
    for name, config_id, server_id_length, nonce_length, encrypted in (
            ("plain", 0, 3, 4, False), ("one-block", 2, 7, 9, True), ("odd", 1, 5, 8, True),
            ("even", 6, 4, 14, True), ("short-id", 3, 1, 18, True), ("long-id", 4, 15, 4, True)):
        ids = [bytes([number] * server_id_length) for number in range(3)]
        config = struct.pack("<BBBB", config_id, server_id_length, nonce_length, encrypted)
        head = b"\x01" + config + (key if encrypted else b"") + bytes([len(ids)])
        head += b"".join(bytes([server_id_length - 1, number + 1]) + server_id
                         for number, server_id in enumerate(ids))
        cids = [connection_id(config_id, server_id, bytes([number + 9] * nonce_length),
                              key if encrypted else None)
                for number, server_id in enumerate(ids + [b"\xee" * server_id_length])]
        packets = [(control, b"\x40" + cid + b"data") for control, cid in enumerate(cids * 2)]
        packets += [(8, b"\x40" + cids[1]), (1, b"\x40" + cids[1]), (16, b"\x40" + cids[1]),
                    (0, b"\xc0\0\0\0\1\x04" + cids[0]), (0, b"\x40\xff"), (0, b"\x40"), (0, b""),
                    (2, b"\x40" + cids[0][:-1])]
        seeds[name] = head + b"".join(struct.pack("<BB", control, len(quic)) + quic
                                      for control, quic in packets)
    seeds["none"] = b"\0\0\0\x03abc"
    return seeds


def dataplane_seeds():
    right_hello, long_hello = b"\x01\x00\x00\x00", b"\x01\x00\x00\x01"
    shake = b"\x00" + b"\x02" + right_hello + b"\x02\x02" + b"\x03"
    index = lambda ring, how, value: struct.pack("<BBB", ring, how, value)  # noqa: E731
    return {
        "handshake": shake,
        "requests": shake + index(4, 1, 3) + b"\x07\x02\x08\x07\x09\x03",
        "full-ring": shake + index(4, 1, 4) + b"\x07\x02\x08\x02\x02\x08\x07",
        "corrupt-request-index": shake + index(4, 1, 5) + b"\x08\x07",
        "corrupt-any-index": shake + struct.pack("<BBQ", 4, 3, 2**63) + b"\x08\x07",
        "corrupt-response-index": shake + index(5, 0, 200) + b"\x09\x01",
        "responses-not-taken": shake + b"\x09\x04\x09\x01",
        "request-bytes": shake + b"\x06\x80\x00\x04\x0c\x00\x00\x00" + index(4, 1, 2) + b"\x08\x04",
        "second-client": shake + b"\x10\x02\x11\x00\x00\x00\x02\x13",
        "successor": shake + b"\x0f\x10\x02\x11\x00\x00\x00\x02\x02\x13\x17\x02",
        "talks-again": shake + right_hello + b"\x02\x08\x01",
        "long-hello": b"\x00\x02" + long_hello + b"\x02\x03",
        "wrong-magic": b"\x00\x02\x01\x00\x01\x55\x00\x02\x03",
        "wrong-version": b"\x00\x02\x01\x08\x01\x02\x00\x02\x03",
        "wrong-size": b"\x00\x02\x01\x10\x01\x02\x00\x02\x03",
        "blocking-doorbells": shake + b"\x0a\x00\x00\x00\x0a\x01\x00\x00" + index(4, 1, 1) +
                              b"\x07\x02\x08\x02\x09\x01",
        "hangs-up-early": b"\x00\x0f\x02\x00\x02\x0f\x02",
    }


def controlplane_seeds():
    right = b"\x00\x00\x00\x00"
    change = lambda at, data: b"\x01" + struct.pack("<HB", at, len(data)) + data + bytes(3)  # noqa
    index = lambda ring, how, value: struct.pack("<BBB", ring, how, value)  # noqa: E731
    answer = b"\x04\x01" + b"\x01\x01\x01" + b"\x03\x05\x02"
    return {
        "handshake": right,
        "send": right + b"\x04\x04\x04\x04\x04\x08",
        "answer": right + b"\x04" + index(1, 1, 1) + b"\x03\x05\x02" + b"\x06",
        "answer-nobody-asked": right + index(1, 1, 1) + b"\x05\x02",
        "wrong-sequence": right + answer + b"\x02\x80\x00\x04\x07\x00\x00\x00" + index(1, 1, 1) +
                          b"\x05\x07",
        "corrupt-request-index": right + index(0, 0, 9) + b"\x04",
        "corrupt-response-index": right + index(1, 1, 9) + b"\x05\x03",
        "corrupt-any-index": right + struct.pack("<BBQ", 1, 3, 2**40) + b"\x05\x03",
        "hangs-up": right + b"\x07\x08\x04\x05\x01",
        "refused": change(12, bytes(4) + b"too old"),
        "magic": change(0, b"\x00"),
        "version": change(8, b"\x07"),
        "sizes": change(144, b"\x01"),
        "capacities": change(192, struct.pack("<4I", 65536, 65536, 4096, 64)),
        "descriptors-too-few": b"\x00\x00\x00\x42",
        "descriptors-swapped": b"\x00\x00\x00\x01",
        "memory-says-else": b"\x00\x00\x00\x80",
        "too-long": b"\x00\x05\x00\x00",
        "blocking-doorbells": right + b"\x09\x00\x09\x01\x05\x01\x04\x05\x01",
        "doorbell-is-the-socket": b"\x00\x00\x00\x08\x04\x08\x05\x01",
        "arena": right + b"\x0f\x00\x0f\x01",
    }


def config_seeds():
    example = (ROOT / "docs" / "example.yaml").read_text()
    blocks = re.split(r"\n(?=[a-z_]+:)", example)
    plain = "\n".join(line for line in example.splitlines() if not line.lstrip().startswith("#"))
    flow = ("{pools: [{name: a, encapsulation: l2, backends: [{name: b, address: 192.0.2.1}]}],"
            " vips: [{name: v, address: 198.51.100.1, port: 80, protocol: tcp, pool: a}]}\n")
    seeds = {"example": example, "plain": plain, "flow-style": flow,
             "anchors": "pools: &p [{name: a}]\nvips: *p\n", "empty": "", "list": "- 1\n- 2\n",
             "two-documents": "a: 1\n---\nb: 2\n", "twice": "pools: []\npools: []\n",
             "deep": "[" * 60 + "]" * 60, "block-text": "flow_hash_secret: |\n  a\n  b\n",
             "quoted": 'flow_hash_secret: "\\x41\\n\\u00e9 #"\n', "null": "pools: ~\nvips:\n",
             "numbers": "pools:\n  - {name: 1, table_size: 0x10001, port: 1e3}\n"}
    for number, block in enumerate(blocks):
        seeds["block-%d" % number] = block
    return {name: text.encode() for name, text in seeds.items()}


def fragment_step(flags, ident, offset, length, ends=True):
    """Flags: 1 IPv6, 2 TCP, 4 more, 8 hop-by-hop, 16 no VIP, 32 first. Offset and length in 8 bytes."""
    return struct.pack("<BBBHB", 8 if ends else 0, flags, ident, offset, length)


def fragments_seeds():
    after = lambda ms: struct.pack("<BH", 5, ms)  # noqa: E731
    slots, toggle = lambda to: bytes([6, to]), lambda which: bytes([7, which])  # noqa: E731
    seeds = {}
    for policy, name in enumerate(("track", "hash3", "drop")):
        for kind in range(4):  # family, protocol
            first, middle, last = (fragment_step(kind | 0x24, 1, 0, 100),
                                   fragment_step(kind | 4, 1, 100, 100),
                                   fragment_step(kind | 0xC0, 1, 200, 20))
            for order, steps in (("in-order", (first, middle, last)),
                                 ("reversed", (last, middle, first)),
                                 ("middle-first", (middle, first, last))):
                seeds["%s-%d-%s" % (name, kind, order)] = bytes([policy]) + b"".join(steps)
    track = b"\0"
    first, later = fragment_step(0x24, 1, 0, 100), fragment_step(0, 1, 100, 100)
    seeds.update({
        "one-burst": track + fragment_step(4, 1, 100, 50, False) + first,
        "timeout": track + later + after(499) + after(1) + first,
        "lifetime": track + first + after(1999) + later + after(1) + later,
        "slots-change": track + first + slots(1) + later + slots(3) + later,
        "backend-goes": track + first + toggle(0) + slots(2) + later + toggle(0) + later,
        "l3dsr": track + slots(3) + first + later + fragment_step(0x26, 2, 0, 100) +
                 fragment_step(2, 2, 100, 20),
        "gue": track + slots(2) + fragment_step(0x26, 3, 0, 100) + fragment_step(2, 3, 100, 20),
        "no-vip": track + later + fragment_step(0x34, 1, 0, 100) + later,
        "hop-by-hop": track + fragment_step(0x2D, 1, 0, 100) + fragment_step(9, 1, 100, 20),
        "tiny": track + fragment_step(0x26, 1, 0, 2) + fragment_step(6, 1, 1, 20) +
                fragment_step(6, 1, 2, 20) + fragment_step(0x24, 1, 0, 0),
        "beyond": track + fragment_step(0, 1, 8191, 1) + fragment_step(1, 1, 8190, 255),
        "overlap": track + first + fragment_step(4, 1, 50, 100) + fragment_step(4, 1, 99, 1),
        "many": track + b"".join(fragment_step(0, i % 256, 100 + i // 256, 1, False)
                                 for i in range(300)) + first,
        "whole": track + fragment_step(0x20, 1, 0, 20) + fragment_step(0x21, 1, 0, 20),
    })
    return seeds


def write_dictionary():
    proto = (ROOT / "lib/config/guideway.proto").read_text()
    words = set(re.findall(r"^\s*(?:optional |repeated )?[\w.]+ (\w+) = \d+", proto, re.M))
    words |= {w.lower() for w in re.findall(r"^\s*([A-Z][A-Z0-9_]+) = \d+", proto, re.M)}
    words |= {": ", "\n- ", "\n  ", "---\n", "&a ", "*a", "!!int ", "<<: ", "|\n", "192.0.2.1",
              "2001:db8::1", "5s", "500ms"}
    lines = ["# Made by make_corpus.py from the schema."]
    for word in sorted(words):
        lines.append('"%s"' % word.replace("\n", "\\x0a"))
    (HERE / "config.dict").write_text("\n".join(lines) + "\n")


def main():
    packets = golden_packets(sys.argv[1])
    frames, bursts = packet_seeds(packets)
    write("parse_headers", frames)
    write("header_chain", chain_seeds(packets))
    write("icmp_quote", quote_seeds(packets))
    write("path", bursts)
    write("quic", quic_seeds())
    write("table_requests", table_seeds())
    write("channel_dataplane", dataplane_seeds())
    write("channel_controlplane", controlplane_seeds())
    write("config", config_seeds())
    write("fragments", fragments_seeds())
    texts = ["192.0.2.1", "0.0.0.0", "255.255.255.255", "192.0.2.01", "2001:db8::1", "::", "::1",
             "::ffff:192.0.2.1", "::192.0.2.1", "fe80::1%eth0", "1:2:3:4:5:6:7:8", "1::8",
             "02:00:00:00:00:ff", "02-00-00-00-00-ff", "", "192.0.2.1\0x", "0123456789abcdef"]
    write("address", {"%02d" % i: text.encode("latin-1") for i, text in enumerate(texts)})
    texts = ["eth0", "0000:3b:00.0", "3b:00.7", "vdev:net_pcap0,rx_pcap=a,tx_pcap=b", "vdev:",
             "vdev:,a", ".", "..", "a/b", "sixteen-letters-", "", "vdev:" + "n" * 64]
    write("port_spec", {"%02d" % i: text.encode() for i, text in enumerate(texts)})
    write_dictionary()


if __name__ == "__main__":
    main()
