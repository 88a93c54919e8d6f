"""asyncio: ask a TLS server one line, with a time limit for all of it.

    micropython aio_client.py HOST PORT CAFILE
"""

import asyncio
import ssl
import sys


async def ask(host, port, context):
    reader, writer = await asyncio.open_connection(
        host, port, ssl=context, server_hostname=host
    )
    try:
        writer.write(b"hello\n")
        await writer.drain()
        return await reader.readline()
    finally:
        writer.close()
        await writer.wait_closed()


async def main(host, port, cafile):
    context = ssl.create_default_context(cafile=cafile)
    try:
        line = await asyncio.wait_for(ask(host, int(port), context), 10)
        print(line.decode().strip())
    except asyncio.TimeoutError:
        print("no answer")


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
