"""Connections whose client shuts down its sending side at once and then waits for the answer.

usage: half_close_client.py PORT COUNT ADDRESS...    (the addresses take turns)

Prints "all shut:" with the name of each connection's server, and at the end a line of JSON: for
each connection how many bytes came, or the error's text.
"""

import asyncio
import json
import sys

_SILENCE_S = 20


async def main():
    port, count, addresses = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
    shut = asyncio.Queue()

    async def connection(address):
        reader, writer = await asyncio.open_connection(address, port)
        writer.write(b"hello\n")
        await shut.put((await reader.readline()).decode().strip())
        writer.write_eof()
        received = 0
        try:
            while part := await asyncio.wait_for(reader.read(65536), _SILENCE_S):
                received += len(part)
        except (OSError, asyncio.TimeoutError) as error:
            return f"{received} bytes, then {error!r}"
        finally:
            writer.close()
        return received

    tasks = [asyncio.create_task(connection(addresses[i % len(addresses)])) for i in range(count)]
    names = [await shut.get() for _ in tasks]
    print("all shut:", *names, flush=True)
    print(json.dumps(await asyncio.gather(*tasks)), flush=True)


asyncio.run(main())
