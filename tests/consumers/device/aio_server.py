"""An echo server: asyncio.start_server(ssl=...), until it is ended."""

import asyncio

from options import context, options

given = options()


async def echo(reader, writer):
    total = 0
    try:
        while True:
            data = await reader.read(4096)
            if not data:
                break
            total += len(data)
            writer.write(data)
            await writer.drain()
        print("ECHOED", total)
    except OSError as error:
        print("ERROR", repr(error))
    finally:
        writer.close()
        await writer.wait_closed()


async def main():
    server = await asyncio.start_server(
        echo, "127.0.0.1", int(given["port"]), ssl=context(given, server=True)
    )
    print("READY")
    await server.wait_closed()


asyncio.run(main())
