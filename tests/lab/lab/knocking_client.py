"""Opens a TCP connection every 20 ms and closes it once it is there, or after 3 s without an answer; until SIGTERM.

usage: knocking_client.py ADDRESS PORT      prints "ready", at the end {"connected": N, "unanswered": N} as JSON
"""

import asyncio
import contextlib
import json
import signal
import sys

_PERIOD_S = 0.02
_PATIENCE_S = 3


async def _knock(address, port, counts):
    try:
        _, writer = await asyncio.wait_for(asyncio.open_connection(address, port), _PATIENCE_S)
    except (asyncio.TimeoutError, OSError):
        counts["unanswered"] += 1
        return
    counts["connected"] += 1
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


async def _main(address, port):
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    counts = {"connected": 0, "unanswered": 0}
    knocks = set()
    print("ready", flush=True)
    while not stop.is_set():
        task = asyncio.create_task(_knock(address, port, counts))
        knocks.add(task)
        task.add_done_callback(knocks.discard)
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(stop.wait(), _PERIOD_S)
    if knocks:
        await asyncio.wait(knocks)
    print(json.dumps(counts), flush=True)


asyncio.run(_main(sys.argv[1], int(sys.argv[2])))
