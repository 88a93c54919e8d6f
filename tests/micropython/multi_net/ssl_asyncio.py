# asyncio servers and clients: many at a time, refused ones among them, much data both ways,
# and the ends of connections.

try:
    import asyncio, ssl, sys
except ImportError:
    print("SKIP")
    raise SystemExit

sys.path.append("../support")
import pki
from tcp import HOST, PORT, client_context, server_context

BIG = bytes(range(250)) * 400  # 100 KB


# Server
refused = []
served = []
done = 0


async def serve(reader, writer):
    global done
    await serve_one(reader, writer)
    done += 1


async def serve_one(reader, writer):
    try:
        command = await reader.readline()
    except OSError as er:
        # A client that refused this server's certificate said so with an alert, which its
        # closing, with what it had not read, may turn into a reset.
        refused.append(er.errno in (-30592, 104))
        writer.close()
        await writer.wait_closed()
        return
    served.append(command)
    if command == b"echo\n":
        while True:
            data = await reader.read(1000)
            if not data:
                break
            writer.write(data)
            await writer.drain()
    elif command == b"both\n":

        async def send():
            writer.write(BIG)
            await writer.drain()

        sender = asyncio.create_task(send())
        assert await reader.readexactly(len(BIG)) == BIG
        await sender
    writer.close()
    await writer.wait_closed()


async def server():
    task = await asyncio.start_server(serve, "0.0.0.0", PORT, ssl=server_context())
    multitest.next()
    async with task:
        while done < 12:
            await asyncio.sleep_ms(20)
    print(sorted(served))
    print(refused)


def instance0():
    multitest.globals(IP=multitest.get_network_ip())
    asyncio.run(server())


# Client
async def open(ctx=None, hostname=HOST):
    return await asyncio.open_connection(
        IP, PORT, ssl=ctx or client_context(), server_hostname=hostname
    )


async def echo(n):
    reader, writer = await open()
    writer.write(b"echo\n")
    for i in range(20):
        line = b"client %d line %d\n" % (n, i)
        writer.write(line)
        await writer.drain()
        assert await reader.readline() == line
    writer.close()
    await writer.wait_closed()
    return "echo"


async def both():
    reader, writer = await open()
    writer.write(b"both\n")
    writer.write(BIG)
    sender = asyncio.create_task(writer.drain())
    data = await reader.readexactly(len(BIG))
    await sender
    end = await reader.read(10)
    writer.close()
    await writer.wait_closed()
    return "both", data == BIG, end


async def fails(ctx, hostname=HOST):
    reader, writer = await open(ctx, hostname)
    results = []
    for _ in range(2):
        try:
            writer.write(b"echo\n")
            await writer.drain()
            await reader.readline()
        except ValueError as er:
            results.append(str(er).strip())
        except OSError as er:
            results.append(er.errno)
    writer.close()
    await writer.wait_closed()
    return "fails", results


async def quiet():
    reader, writer = await open()
    writer.write(b"quiet\n")
    await writer.drain()
    data = await reader.read()
    writer.close()
    await writer.wait_closed()
    return "quiet", data


async def cancelled():
    # One that is cancelled while it reads can go on.
    reader, writer = await open()
    writer.write(b"echo\n")
    await writer.drain()
    results = []
    try:
        await asyncio.wait_for_ms(reader.readline(), 100)
    except asyncio.TimeoutError:
        results.append("timeout")
    writer.write(b"go on\n")
    await writer.drain()
    results.append(await asyncio.wait_for_ms(reader.readline(), 5000))
    writer.close()
    await writer.wait_closed()
    return "cancelled", results


async def client():
    other_ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    other_ctx.verify_mode = ssl.CERT_REQUIRED
    other_ctx.load_verify_locations(pki.other_ca_der)
    results = await asyncio.gather(
        echo(1),
        both(),
        fails(other_ctx),
        echo(2),
        quiet(),
        both(),
        fails(client_context(), "elsewhere.example"),
        cancelled(),
        echo(3),
        echo(4),
        quiet(),
        echo(5),
    )
    for result in results:
        print(result)


def instance1():
    multitest.next()
    asyncio.run(client())
