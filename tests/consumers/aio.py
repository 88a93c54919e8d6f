"""asyncio, and microdot on it."""

import asyncio
import contextlib
import json
import os
import socket
import ssl
import threading
import urllib.request

from cases import BIG, case, finished
from peers import WAIT_S, check, free_port, wait_until_listening


@contextlib.contextmanager
def python_echo_server(bench):
    """CPython's asyncio over TLS in a thread, echoing; yields its port."""

    async def echo(reader, writer):
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
            writer.close()

    loop = asyncio.new_event_loop()
    # A client that refuses the certificate is no news.
    loop.set_exception_handler(lambda *_: None)
    server = loop.run_until_complete(
        asyncio.start_server(echo, "127.0.0.1", 0, ssl=bench.python_context(server=True))
    )
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(WAIT_S)
        server.close()


def aio_server(bench, **given):
    port = free_port()
    server = bench.micropython(
        "aio_server.py", port=port, cert=bench.cert("ec"), key=bench.key("ec"), **given
    )
    server.wait_for(r"^READY")
    return server, port


@case("asyncio client: 100 KB both ways with CPython, certificate verified")
def aio_client_python(bench):
    with python_echo_server(bench) as port:
        finished(bench.micropython("aio_client.py", port=port, ca=bench.cert("ca")), r"^OK ")


@case("asyncio client: ssl=True, without verification")
def aio_client_plain(bench):
    with python_echo_server(bench) as port:
        finished(bench.micropython("aio_client.py", port=port, plain=1), r"^OK ")


@case("asyncio client: wrong CA and wrong host refused")
def aio_client_refuses(bench):
    with python_echo_server(bench) as port:
        client = bench.micropython("aio_client.py", port=port, ca=bench.cert("other_ca"))
        finished(client, r"^REFUSED .*")
        client = bench.micropython(
            "aio_client.py", port=port, ca=bench.cert("ca"), host="elsewhere.example"
        )
        finished(client, r"^REFUSED .*")


@case("asyncio client and server in MicroPython: 100 KB both ways")
def aio_both(bench):
    server, port = aio_server(bench)
    finished(bench.micropython("aio_client.py", port=port, ca=bench.cert("ca")), r"^OK ")
    server.wait_for(r"^ECHOED 102400")


@case("asyncio client and server in MicroPython: 8 connections at once, 20 KB each")
def aio_many(bench):
    server, port = aio_server(bench)
    client = bench.micropython(
        "aio_client.py", port=port, ca=bench.cert("ca"), connections=8, size=20480
    )
    finished(client, r"^OK ")
    server.wait_for(r"(?s)(ECHOED 20480.*){8}")


@case("asyncio server: 100 KB both ways with CPython, certificate verified")
def aio_server_python(bench):
    server, port = aio_server(bench)
    data = os.urandom(102400)

    async def talk():
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", port, ssl=bench.python_context(), server_hostname="localhost"
        )
        received = asyncio.ensure_future(reader.readexactly(len(data)))
        writer.write(data)
        await writer.drain()
        result = await received
        writer.close()
        return result

    received = asyncio.run(asyncio.wait_for(talk(), WAIT_S))
    check(received == data, "what came back is not what was sent")
    server.wait_for(r"^ECHOED 102400")


@case("asyncio server: openssl s_client, and the server outlives clients that misbehave")
def aio_server_openssl(bench):
    server, port = aio_server(bench)
    # One client that is not TLS at all, one that refuses the certificate, one that says nothing.
    with socket.create_connection(("127.0.0.1", port), WAIT_S) as plain:
        plain.sendall(b"GET / HTTP/1.0\r\n\r\n")
        with contextlib.suppress(ConnectionResetError):  # it need not read all that is sent
            while plain.recv(100):
                pass
    with contextlib.suppress(ssl.SSLError), socket.create_connection(
        ("127.0.0.1", port), WAIT_S
    ) as raw:
        ssl.create_default_context(cafile=str(bench.file("other_ca"))).wrap_socket(
            raw, server_hostname="localhost"
        )
    silent = socket.create_connection(("127.0.0.1", port), WAIT_S)
    client = bench.s_client(port, "-tls1_2")
    client.send(b"hello\n")
    client.wait_for(r"^hello$")
    silent.close()
    check(server.child.poll() is None, "the server ended")


@case("microdot over HTTPS: curl and CPython")
def microdot(bench):
    port = free_port()
    app = bench.micropython(
        "microdot_app.py", "microdot", port=port, cert=bench.cert("ec"), key=bench.key("ec")
    )
    app.wait_for(r"^READY")
    url = f"https://localhost:{port}"
    wait_until_listening(port)  # READY comes just before it listens
    check(bench.curl(port, f"{url}/hello") == b"hello\n", "/hello")
    check(bench.curl(port, f"{url}/big") == BIG, "/big")
    parts = b"".join(b"part %d\n" % number for number in range(10))
    check(bench.curl(port, f"{url}/stream") == parts, "/stream")
    upload = bench.logs / "upload"
    upload.write_bytes(os.urandom(100000))
    echoed = bench.curl(port, "--data-binary", f"@{upload}", f"{url}/echo")
    check(echoed == upload.read_bytes(), "/echo of 100000 bytes")

    request = urllib.request.Request(
        f"{url}/json", b'{"numbers": [1, 2, 3]}', {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=WAIT_S, context=bench.python_context()) as reply:
        check(json.load(reply) == {"sum": 6}, "/json")
    check(app.child.poll() is None, "the application ended")


@case("microdot over HTTPS, fetched by chumicro-requests in MicroPython")
def microdot_chumicro(bench):
    port = free_port()
    app = bench.micropython(
        "microdot_app.py", "microdot", port=port, cert=bench.cert("ec"), key=bench.key("ec")
    )
    app.wait_for(r"^READY")
    wait_until_listening(port)
    client = bench.micropython(
        "http_get.py",
        "chumicro",
        library="chumicro",
        url=f"https://localhost:{port}",
        ca=bench.file("ca"),
    )
    finished(client, r"^OK")
