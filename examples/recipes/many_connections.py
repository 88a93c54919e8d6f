"""Many clients in little memory: connections that are idle for a second hibernate.

    micropython many_connections.py PORT CERTIFICATE KEY

Sends each line back, and says every few seconds how many connections there are.
"""

import asyncio
import gc
import ssl
import sys

connections = set()


def free_bytes():
    """Free memory, where the port keeps what TLS takes of it."""
    gc.collect()
    try:
        import esp32
    except ImportError:
        return gc.mem_free()
    return sum(region[1] for region in esp32.idf_heap_info(esp32.HEAP_DATA))


async def serve(reader, writer):
    tls = writer.s  # the SSLSocket
    connections.add(tls)
    try:
        while True:
            line = await reader.readline()
            if not line:
                break
            writer.write(line)
            await writer.drain()
    except (OSError, ValueError, MemoryError) as error:
        print("client failed:", repr(error))
    finally:
        connections.discard(tls)
        writer.close()
        await writer.wait_closed()


async def report():
    while True:
        await asyncio.sleep(3)
        asleep = sum(tls.hibernating for tls in connections)
        print(len(connections), "connections,", asleep, "hibernate,", free_bytes(), "bytes free")


async def main(port, certificate, key):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    context.hibernate_after = 1000
    # A client's certificate would stay in memory, if it had one.
    context.keep_peer_cert = False
    asyncio.create_task(report())
    server = await asyncio.start_server(serve, "0.0.0.0", int(port), ssl=context)
    print("serving on port", port)
    await server.wait_closed()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
