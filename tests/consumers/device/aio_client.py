"""asyncio.open_connection(ssl=...) to an echo server: size= bytes both ways at the same time.

connections=N does it N times at once. Prints OK and the cipher suite, or REFUSED and the error.
"""

import asyncio

from options import context, options

given = options()
size = int(given.get("size", 102400))
data = bytes(range(251)) * (size // 251 + 1)
data = data[:size]

# True: asyncio makes a context without verification of its own.
ssl = True if "plain" in given else context(given)


async def send(writer):
    for start in range(0, size, 10000):
        writer.write(data[start : start + 10000])
        await writer.drain()


async def one_connection():
    reader, writer = await asyncio.open_connection(
        given.get("address", "127.0.0.1"),
        int(given["port"]),
        ssl=ssl,
        server_hostname=given.get("host", "localhost"),
    )
    try:
        sender = asyncio.create_task(send(writer))
        received = await reader.readexactly(size)
        await sender
        assert received == data, "what came back is not what was sent"
        return writer.s.cipher()
    finally:
        writer.close()
        await writer.wait_closed()


async def main():
    tasks = [one_connection() for _ in range(int(given.get("connections", 1)))]
    try:
        ciphers = await asyncio.wait_for(asyncio.gather(*tasks), 15)
    except (OSError, ValueError) as error:
        print("REFUSED", repr(error))
    else:
        print("OK", ciphers[0])


asyncio.run(main())
