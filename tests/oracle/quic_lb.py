"""Connection IDs of draft-ietf-quic-load-balancers-21 as a server makes them, over an AES-128 of its
own: slow, and written from the draft's text and FIPS 197 alone.
"""


def _times_two(value):
    return value << 1 ^ (0x11B if value & 0x80 else 0)


def _product(a, b):
    result = 0
    while b:
        if b & 1:
            result ^= a
        a, b = _times_two(a), b >> 1
    return result


def _substitute(value):
    inverse = next((x for x in range(256) if _product(value, x) == 1), 0)
    result = 0
    for bit in range(8):
        parity = sum(inverse >> (bit + k) % 8 for k in (0, 4, 5, 6, 7)) & 1
        result |= parity << bit
    return result ^ 0x63


_S_BOX = [_substitute(value) for value in range(256)]


def _round_keys(key):
    words = [list(key[i:i + 4]) for i in range(0, 16, 4)]
    constant = 1
    for i in range(4, 44):
        word = words[-1]
        if i % 4 == 0:
            word = [_S_BOX[byte] for byte in word[1:] + word[:1]]
            word[0] ^= constant
            constant = _times_two(constant)
        words.append([a ^ b for a, b in zip(words[i - 4], word)])
    return [sum(words[i:i + 4], []) for i in range(0, 44, 4)]


def aes128(key, block):
    """One block, encrypted."""
    keys = _round_keys(key)
    state = [a ^ b for a, b in zip(block, keys[0])]
    for number in range(1, 11):
        state = [_S_BOX[byte] for byte in state]
        state = [state[(i + 4 * (i % 4)) % 16] for i in range(16)]  # shift the rows
        if number < 10:
            columns = [state[i:i + 4] for i in range(0, 16, 4)]
            state = [_product(c[i], 2) ^ _product(c[(i + 1) % 4], 3) ^ c[(i + 2) % 4] ^
                     c[(i + 3) % 4] for c in columns for i in range(4)]
        state = [a ^ b for a, b in zip(state, keys[number])]
    return bytes(state)


def _four_passes(key, plaintext):
    """Section 5.4.2: as numbers of half the bits, so that an odd length needs no masks."""
    length = len(plaintext)
    bits = 4 * length
    half_bytes = (length + 1) // 2
    number = int.from_bytes(plaintext, "big")
    left, right = number >> bits, number & (1 << bits) - 1

    def expand(half, is_left, count):
        # The left half begins with its first bit, the right half ends with its last one.
        shift = 8 * half_bytes - bits if is_left else 0
        packed = (half << shift).to_bytes(half_bytes, "big")
        return packed + bytes(14 - half_bytes) + bytes([length, count])

    def truncate(block, to_left):
        packed = int.from_bytes(block[:half_bytes], "big")
        return packed >> 8 * half_bytes - bits if to_left else packed & (1 << bits) - 1

    for count in range(1, 5):
        from_left = count % 2 == 1
        block = aes128(key, expand(left if from_left else right, from_left, count))
        if from_left:
            right ^= truncate(block, False)
        else:
            left ^= truncate(block, True)
    return (left << bits | right).to_bytes(length, "big")


def connection_id(config_id, server_id, nonce, key=None, low_bits=0):
    """`low_bits`: of the first octet, as the server likes."""
    plaintext = server_id + nonce
    if key is None:
        rest = plaintext
    elif len(plaintext) == 16:
        rest = aes128(key, plaintext)
    else:
        rest = _four_passes(key, plaintext)
    return bytes([config_id << 5 | low_bits]) + rest


# The draft's own connection IDs (appendix B.2), so that it is not only we who agree with us.
_KEY = bytes.fromhex("8f95f09245765f80256934e50c66207f")
for _cid, _config, _low, _server, _nonce in (
        ("0720b1d07b359d3c", 0, 7, "ed793a", "ee080dbf"),
        ("2fcc381bc74cb4fbad2823a3d1f8fed2", 1, 15, "ed793a51d49b8f5fab65", "ee080dbf48"),
        ("504dd2d05a7b0de9b2b9907afb5ecf8cc3", 2, 16, "ed793a51d49b8f5f", "ee080dbf48c0d1e5"),
        ("125779c9cc86beb3a3a4a3ca96fce4bfe0cdbc", 0, 18, "ed793a51d49b8f5fab",
         "ee080dbf48c0d1e55d")):
    assert connection_id(_config, bytes.fromhex(_server), bytes.fromhex(_nonce), _KEY,
                         _low).hex() == _cid, _cid
