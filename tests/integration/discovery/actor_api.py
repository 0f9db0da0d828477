"""Serves an authority over HTTPS and announces itself with whatever hash it is told: honest, or not.

`python -m ... ADDRESS FOLDER ANNOUNCED_HASH`: FOLDER has ca.crt, api.crt and api.key.
"""

from __future__ import annotations

import asyncio
import ssl
import sys
from pathlib import Path

from edge.clock import SystemClock
from edge.discovery import mdns, names


async def main(address: str, folder: Path, announced: str) -> None:
    ca = (folder / "ca.crt").read_bytes()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(folder / "api.crt", folder / "api.key")

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s" % (len(ca), ca))
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, address, 6443, ssl=context)
    prefix = names.hash_prefix(announced)
    master = names.Master(name="rack", addresses=(address,), bus_port=8883, ca_hash_prefix=prefix,
                          cluster_id=f"{prefix[:12]}{int(address.rpartition('.')[2]):04x}")
    async with server, mdns.announce(master, (address,), SystemClock()):
        print("announced", flush=True)
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2]), sys.argv[3]))
