"""Many slow downloads at once, each over a connection of its own; says how each of them ended.

usage: downloads_client.py COUNT SHA256 PATH ADDRESS...    (the addresses take turns)

Prints "all run" when every download has begun, and at the end a line of JSON: how many were right,
and how many were not for what reason.
"""

import asyncio
import collections
import hashlib
import json
import sys

_SILENCE_S = 20  # longer than any retransmission that a restart causes


class Downloads:
    def __init__(self, count, sha256, path):
        self._sha256 = sha256
        self._path = path
        self._to_begin = count
        self.right = 0
        self.broken = collections.Counter()

    def _began(self):
        self._to_begin -= 1
        if self._to_begin == 0:
            print("all run", flush=True)

    async def _fetch(self, address):
        reader, writer = await asyncio.open_connection(address, 80)
        writer.write(f"GET {self._path} HTTP/1.0\r\n\r\n".encode())
        await reader.readuntil(b"\r\n\r\n")
        content = hashlib.sha256(await reader.readexactly(1))
        self._began()
        while part := await asyncio.wait_for(reader.read(65536), _SILENCE_S):
            content.update(part)
        writer.close()
        return content.hexdigest()

    async def run(self, address):
        try:
            if await self._fetch(address) == self._sha256:
                self.right += 1
            else:
                self.broken[f"{address}: other content"] += 1
        except (OSError, asyncio.TimeoutError, asyncio.IncompleteReadError) as error:
            self.broken[f"{address}: {error!r}"] += 1


async def main():
    count, addresses = int(sys.argv[1]), sys.argv[4:]
    downloads = Downloads(count, sys.argv[2], sys.argv[3])
    await asyncio.gather(*(downloads.run(addresses[i % len(addresses)]) for i in range(count)))
    print(json.dumps({"right": downloads.right, "broken": downloads.broken}), flush=True)


asyncio.run(main())
