"""An independent Maglev builder, and a test that compares it with lib/hash.

Written from section 3.4 of the Maglev paper and docs/decisions/0003-maglev-weights.md.
Usage: maglev.py TABLE_TOOL   (the C++ program that prints a table as JSON)"""
import heapq
import json
import random
import subprocess
import sys

from siphash import siphash24

NOBODY = 0xFFFF
DIGEST_KEY = (0x6775696465776179, 0x646967657374)


def build(backends, slots, seed):
    """backends: list of (identity, weight, index)."""
    members = sorted(b for b in backends if b[1] > 0)
    table = [NOBODY] * slots
    if not members:
        return table
    walks = []
    for identity, _, _ in members:
        offset = siphash24(seed, 0, identity.encode()) % slots
        skip = siphash24(seed, 1, identity.encode()) % (slots - 1) + 1
        walks.append(iter([(offset + j * skip) % slots for j in range(slots)]))
    turns = [((1 << 32) // weight, rank, 1) for rank, (_, weight, _) in enumerate(members)]
    heapq.heapify(turns)
    for _ in range(slots):
        _, rank, n = turns[0]
        slot = next(s for s in walks[rank] if table[s] == NOBODY)
        table[slot] = members[rank][2]
        heapq.heapreplace(turns, ((2 * n + 1) * (1 << 32) // members[rank][1], rank, n + 1))
    return table


def digest(table, backends):
    owner = {index: siphash24(*DIGEST_KEY, identity.encode()) for identity, _, index in backends}
    return siphash24(*DIGEST_KEY, b"".join(owner.get(i, 0).to_bytes(8, "little") for i in table))


def cases():
    yield [], 7, 0
    yield [("only", 1, 0)], 3, 0
    yield [("a", 0, 0), ("b", 0, 1)], 13, 5
    yield [("a", 1, 2), ("b", 1, 1), ("c", 1, 0)], 13, 5
    yield [("big", 10000, 4), ("small", 1, 9)], 251, 77
    yield [("b%d" % i, 1, i) for i in range(50)], 1009, 2**64 - 1
    draw = random.Random(20)
    for _ in range(40):
        count = draw.randrange(1, 40)
        backends = [("pool/%x" % draw.getrandbits(48), draw.choice([0, 1, 1, 2, 3, 10, 100, 9999]), i)
                    for i in range(count)]
        draw.shuffle(backends)
        yield backends, draw.choice([3, 13, 251, 1009, 2053]), draw.getrandbits(64)
    yield [("w%03d" % i, 1 + i % 7, i) for i in range(100)], 16381, 12345


def main():
    count = 0
    for backends, slots, seed in cases():
        text = "%d %d\n" % (slots, seed) + "".join("%s %d %d\n" % b for b in backends)
        out = subprocess.run([sys.argv[1]], input=text, capture_output=True, text=True, check=True)
        got = json.loads(out.stdout)
        want = build(backends, slots, seed)
        if got["table"] != want:
            sys.exit("tables differ for %s" % text)
        if int(got["digest"]) != digest(want, backends):
            sys.exit("digests differ for %s" % text)
        count += 1
    print("%d tables and digests agree" % count)


if __name__ == "__main__":
    main()
