"""A backend's server for clients that shut down their sending side before the answer comes.

usage: half_close_server.py NAME PORT DELAY_S BYTES ADDRESS...

Says its name to a line, waits for the client's end, is busy for DELAY_S, and answers with BYTES.
Prints "ready".
"""

import asyncio
import sys


async def main():
    name, port, delay_s, size, *addresses = sys.argv[1:]

    async def serve(reader, writer):
        await reader.readline()
        writer.write(f"{name}\n".encode())
        await reader.read()  # until the client shuts down
        await asyncio.sleep(float(delay_s))
        writer.write(b"x" * int(size))
        try:
            await writer.drain()
        except OSError:
            pass  # the client says what it got
        writer.close()

    servers = [await asyncio.start_server(serve, address, int(port)) for address in addresses]
    print("ready", flush=True)
    await asyncio.gather(*(server.serve_forever() for server in servers))


asyncio.run(main())
