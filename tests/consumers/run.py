#!/usr/bin/env python3
"""Real consumers of ssl, and OpenSSL as peer, on loopback.

    run.py [--binary MICROPYTHON] [--list] [PATTERN...]

A PATTERN runs only the cases whose names contain it. What the processes of a case printed is
kept under build/consumers/logs. The last line is "N passed, N failed, N skipped"; the exit code
is 1 if a case failed.

Needs openssl, curl, mosquitto and pip; without one of them the cases that need it are skipped,
with the reason.
"""

import argparse
import asyncio
import contextlib
import http.server
import json
import os
import re
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(HERE))
sys.dont_write_bytecode = True

from libraries import Libraries  # noqa: E402
from peers import (  # noqa: E402
    WAIT_S,
    Failure,
    Process,
    RecordFlipper,
    Skip,
    check,
    free_port,
    need_program,
    wait_until_listening,
)

DEVICE = HERE / "device"
BIG = bytes(range(250)) * 400

CASES = []


def case(name):
    """Registers a function of one argument, the Bench, as the case `name`."""

    def register(function):
        CASES.append((name, function))
        return function

    return register


class Bench:
    """What one case works with: certificates, libraries, and processes that end with the case."""

    def __init__(self, arguments, libraries, certs, logs):
        self.arguments = arguments
        self.libraries = libraries
        self.certs = certs
        self.logs = logs
        self.stack = contextlib.ExitStack()
        self.processes = []

    def file(self, name, suffix="pem"):
        return self.certs / f"{name}.{suffix}"

    def cert(self, name):
        return self.file(name, "der" if self.arguments.der else "pem")

    def key(self, name):
        return self.file(name, "key.der" if self.arguments.der else "key")

    def start(self, name, command, **options):
        log = self.logs / f"{len(self.processes)}-{name.replace(' ', '-')}.log"
        process = Process(name, command, log, **options)
        self.stack.callback(process.close)
        self.processes.append(process)
        return process

    def micropython(self, script, module_path=None, environment=None, **given):
        """A device script with name=value arguments and one library on its path."""
        path = [str(DEVICE)]
        if module_path is not None:
            place = self.libraries.path(module_path)
            if place is None:
                raise Skip(self.libraries.missing[module_path])
            path.append(str(place))
        path += [str(extra) for extra in self.arguments.path]
        path.append(".frozen")
        return self.start(
            f"micropython {script}",
            [self.arguments.binary, DEVICE / script]
            + [f"{name}={value}" for name, value in given.items()],
            env=dict(os.environ, MICROPYPATH=":".join(path), **(environment or {})),
        )

    def s_server(self, *options, cert="ec", **keywords):
        """openssl s_server on a port of its own choice: (process, port)."""
        need_program("openssl", "openssl")
        server = self.start(
            "openssl s_server",
            ["openssl", "s_server", "-accept", "127.0.0.1:0", "-cert", self.file(cert)]
            + ["-key", self.file(cert, "key"), "-msg", *options],
            **keywords,
        )
        return server, int(server.wait_for(r"^ACCEPT .*:(\d+)$")[1])

    def s_client(self, port, *options):
        need_program("openssl", "openssl")
        return self.start(
            "openssl s_client",
            ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-servername", "localhost"]
            + ["-CAfile", self.file("ca"), "-verify_return_error", "-msg", "-ign_eof", *options],
        )

    def curl(self, port, *options):
        """(curl's standard output) with the certificate verified."""
        curl = need_program("curl", "curl")
        command = [curl, "--silent", "--show-error", "--fail", "--max-time", WAIT_S]
        command += ["--noproxy", "*", "--cacert", self.file("ca")]
        command += ["--resolve", f"localhost:{port}:127.0.0.1", *options]
        done = subprocess.run([str(word) for word in command], capture_output=True)
        check(done.returncode == 0, f"curl: {done.stderr.decode().strip()}")
        return done.stdout

    def python_context(self, server=False, cert="ec"):
        """A CPython ssl.SSLContext as peer, with verification as a client."""
        if server:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(self.file(cert), self.file(cert, "key"))
        else:
            context = ssl.create_default_context(cafile=str(self.file("ca")))
        return context


def finished(process, pattern):
    """The process ended well and printed the pattern."""
    code = process.wait()
    match = re.search(pattern, process.output(), re.MULTILINE)
    check(code == 0, f"{process.name} ended with {code}")
    check(match, f"{process.name} did not print {pattern!r}")
    return match


# --- MQTT: umqtt and its descendants against mosquitto -------------------------------------------


class Broker:
    """mosquitto with a TLS listener; `mutual` demands a client certificate signed by ca."""

    def __init__(self, bench, mutual=False, cert="ec"):
        self.bench = bench
        self.program = need_program("mosquitto", "mosquitto")
        self.port = free_port()
        self.config = bench.logs / "mosquitto.conf"
        lines = [
            "per_listener_settings true",
            "log_type all",
            "persistence false",
            f"listener {self.port} localhost",
            "allow_anonymous true",
            f"certfile {bench.file(cert)}",
            f"keyfile {bench.file(cert, 'key')}",
        ]
        if os.getuid() == 0:
            # Otherwise it changes to a user who may not read the keys.
            lines.insert(0, "user root")
        if mutual:
            lines += [
                f"cafile {bench.file('ca')}",
                "require_certificate true",
                "use_identity_as_username true",
            ]
        self.config.write_text("\n".join(lines) + "\n")
        self.start()

    def start(self):
        self.process = self.bench.start("mosquitto", [self.program, "-c", self.config])
        self.process.wait_for(r"mosquitto version .* running")


# library as device/mqtt.py names it -> its directory
MQTT_LIBRARIES = {
    "home-assistant": "home-assistant",
    "arduino": "arduino",
    "terkin": "terkin",
    "micropython-lib, SSLContext": "micropython-lib",
    "micropython-lib, ssl_params": "micropython-lib",
}


def mqtt_client(bench, library, port, **given):
    if library == "terkin":
        need_makefile(bench)
    return bench.micropython(
        "mqtt.py", MQTT_LIBRARIES.get(library, library), library=library, port=port, **given
    )


def need_makefile(bench):
    """Some libraries call makefile() on the socket, as one may with a plain one."""
    probe = "import tls, io\nc = tls.SSLContext(0)\nc.verify_mode = 0\n"
    probe += "s = c.wrap_socket(open('/dev/null', 'rb'), do_handshake_on_connect=False)\n"
    probe += "s.makefile"
    done = subprocess.run([str(bench.arguments.binary), "-c", probe], capture_output=True)
    if b"makefile" in done.stderr + done.stdout:
        raise Skip("this library needs SSLSocket.makefile(), which upstream does not have either")
    check(done.returncode == 0, f"the look for makefile(): {done.stdout + done.stderr}")


for library_ in MQTT_LIBRARIES:

    @case(f"mqtt: {library_}: server verified")
    def mqtt_verified(bench, library=library_):
        broker = Broker(bench)
        client = mqtt_client(bench, library, broker.port, ca=bench.cert("ca"))
        finished(client, r"^OK .*TLS-ECDHE-ECDSA")
        broker.process.wait_for(r"Received DISCONNECT from micropython")

    @case(f"mqtt: {library_}: mutual TLS")
    def mqtt_mutual(bench, library=library_):
        broker = Broker(bench, mutual=True)
        client = mqtt_client(
            bench,
            library,
            broker.port,
            ca=bench.cert("ca"),
            cert=bench.cert("client"),
            key=bench.key("client"),
        )
        finished(client, r"^OK ")
        # mosquitto names the user after the certificate.
        broker.process.wait_for(r"New client connected .* u'client1'")

    @case(f"mqtt: {library_}: wrong CA refused")
    def mqtt_wrong_ca(bench, library=library_):
        broker = Broker(bench)
        client = mqtt_client(bench, library, broker.port, ca=bench.cert("other_ca"))
        finished(client, r"^REFUSED ValueError\(.*certificate")
        broker.process.wait_for(r"alert unknown ca")


@case("mqtt: umqtt.simple 1.1: ssl=True")
def mqtt_simple(bench):
    broker = Broker(bench)
    client = bench.micropython("mqtt.py", "umqtt", library="umqtt.simple", port=broker.port)
    finished(client, r"^OK ")


@case("mqtt: umqtt.robust 1.0: reconnects over TLS when the broker comes back")
def mqtt_robust(bench):
    broker = Broker(bench)
    client = bench.micropython(
        "mqtt.py", "umqtt", library="umqtt.robust", port=broker.port, reconnect=1
    )
    client.wait_for(r"^CONNECTED")
    broker.process.close()
    broker.start()
    client.send(b"go on\n")
    finished(client, r"^OK ")


@case("mqtt: without a client certificate, where one is required, the client is told")
def mqtt_no_certificate(bench):
    broker = Broker(bench, mutual=True)
    client = mqtt_client(bench, "home-assistant", broker.port, ca=bench.cert("ca"))
    # TLS 1.2: the server's alert arrives in the handshake, or the write meets a closed socket.
    finished(client, r"^REFUSED OSError\((\(?-30592|32|104)")


@case("mqtt: arduino: the key in a secure element signs, through SSLContext._context")
def mqtt_secure_element(bench):
    broker = Broker(bench, mutual=True)
    client = bench.micropython(
        "mqtt.py",
        "arduino",
        environment={"ELEMENT": str(bench.certs / "client"), "ELEMENT_SCRATCH": str(bench.logs)},
        library="arduino",
        port=broker.port,
        ca=bench.cert("ca"),
        cert="token=0x65",
        key="token=0x64",
    )
    finished(client, r"^OK ")
    check("SIGNED" in client.output(), "the element was not asked to sign")
    broker.process.wait_for(r"New client connected .* u'client1'")


# --- HTTPS clients -------------------------------------------------------------------------------


class Pages(http.server.BaseHTTPRequestHandler):
    """What device/http_get.py asks for, as microdot_app.py offers it too."""

    def do_GET(self):
        self.answer({"/hello": b"hello\n", "/big": BIG}.get(self.path))

    def do_POST(self):
        self.answer(self.rfile.read(int(self.headers["Content-Length"])))

    def answer(self, body):
        self.send_response(404 if body is None else 200)
        self.send_header("Content-Length", str(len(body or b"")))
        self.end_headers()
        self.wfile.write(body or b"")

    def log_message(self, *_):
        pass


def https_server(bench):
    """A CPython server in a thread; its port."""

    class Server(http.server.ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_):
            pass  # a client that refuses the certificate

    server = Server(("127.0.0.1", 0), Pages)
    server.socket = bench.python_context(server=True).wrap_socket(
        server.socket, server_side=True, do_handshake_on_connect=False
    )
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    bench.stack.callback(server.server_close)
    bench.stack.callback(server.shutdown)
    return server.server_address[1]


@case("https client: chumicro-requests, which never blocks: certificate verified")
def chumicro_verified(bench):
    url = f"https://localhost:{https_server(bench)}"
    client = bench.micropython(
        "http_get.py", "chumicro", library="chumicro", url=url, ca=bench.file("ca")
    )
    finished(client, r"^OK")


@case("https client: chumicro-requests: a chain with an intermediate, from openssl s_server")
def chumicro_chain(bench):
    (bench.logs / "hello").write_bytes(b"HTTP/1.0 200 OK\r\nContent-Length: 6\r\n\r\nhello\n")
    _, port = bench.s_server(
        "-HTTP", "-cert_chain", bench.file("intermediate"), cert="leaf", cwd=bench.logs
    )
    client = bench.micropython(
        "http_get.py",
        "chumicro",
        library="chumicro",
        url=f"https://localhost:{port}",
        ca=bench.file("ca"),
        only_hello=1,
    )
    finished(client, r"^OK")


@case("https client: chumicro-requests: a body that ends with close_notify, TCP staying open")
def chumicro_close_notify(bench):
    (bench.logs / "hello").write_bytes(b"hello\n")
    _, port = bench.s_server("-WWW", cwd=bench.logs)
    client = bench.micropython(
        "http_get.py",
        "chumicro",
        library="chumicro",
        url=f"https://localhost:{port}",
        ca=bench.file("ca"),
        only_hello=1,
    )
    finished(client, r"^OK")


@case("https client: chumicro-requests: wrong CA refused")
def chumicro_wrong_ca(bench):
    url = f"https://localhost:{https_server(bench)}"
    client = bench.micropython(
        "http_get.py", "chumicro", library="chumicro", url=url, ca=bench.file("other_ca")
    )
    finished(client, r"^REFUSED .*certificate")


for library_ in ("chumicro", "micropython-lib", "terkin"):

    @case(f"https client: {library_}'s requests: without verification")
    def https_unverified(bench, library=library_):
        if library == "terkin":
            need_makefile(bench)
        url = f"https://localhost:{https_server(bench)}"
        client = bench.micropython("http_get.py", library, library=library, url=url)
        finished(client, r"^OK")


# --- asyncio -------------------------------------------------------------------------------------


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


# --- microdot ------------------------------------------------------------------------------------


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


# --- OpenSSL: suites -----------------------------------------------------------------------------

# OpenSSL's name, Mbed TLS's name, the server's certificate
SUITES = [
    ("ECDHE-ECDSA-AES128-GCM-SHA256", "TLS-ECDHE-ECDSA-WITH-AES-128-GCM-SHA256", "ec"),
    ("ECDHE-ECDSA-AES256-GCM-SHA384", "TLS-ECDHE-ECDSA-WITH-AES-256-GCM-SHA384", "ec"),
    ("ECDHE-ECDSA-AES256-GCM-SHA384", "TLS-ECDHE-ECDSA-WITH-AES-256-GCM-SHA384", "ec384"),
    ("ECDHE-ECDSA-AES128-CCM", "TLS-ECDHE-ECDSA-WITH-AES-128-CCM", "ec"),
    ("ECDHE-ECDSA-AES256-CCM", "TLS-ECDHE-ECDSA-WITH-AES-256-CCM", "ec"),
    ("ECDHE-ECDSA-AES128-CCM8", "TLS-ECDHE-ECDSA-WITH-AES-128-CCM-8", "ec"),
    ("ECDHE-ECDSA-AES256-CCM8", "TLS-ECDHE-ECDSA-WITH-AES-256-CCM-8", "ec"),
    ("ECDHE-ECDSA-CHACHA20-POLY1305", "TLS-ECDHE-ECDSA-WITH-CHACHA20-POLY1305-SHA256", "ec"),
    ("ECDHE-ECDSA-AES128-SHA256", "TLS-ECDHE-ECDSA-WITH-AES-128-CBC-SHA256", "ec"),
    ("ECDHE-RSA-AES128-GCM-SHA256", "TLS-ECDHE-RSA-WITH-AES-128-GCM-SHA256", "rsa"),
    ("ECDHE-RSA-AES256-GCM-SHA384", "TLS-ECDHE-RSA-WITH-AES-256-GCM-SHA384", "rsa"),
    ("ECDHE-RSA-CHACHA20-POLY1305", "TLS-ECDHE-RSA-WITH-CHACHA20-POLY1305-SHA256", "rsa"),
    ("AES128-SHA256", "TLS-RSA-WITH-AES-128-CBC-SHA256", "rsa"),
    ("AES256-SHA", "TLS-RSA-WITH-AES-256-CBC-SHA", "rsa"),
]


def tls_server(bench, cert="ec", **given):
    port = free_port()
    server = bench.micropython(
        "tls_server.py", port=port, cert=bench.cert(cert), key=bench.key(cert), **given
    )
    server.wait_for(r"^READY")
    return server, port


def no_truncation(process):
    """OpenSSL saw a close_notify, and not merely the end of TCP."""
    output = process.output()
    check("unexpected eof" not in output, f"{process.name}: unexpected eof")
    check(
        re.search(r"<<< .*Alert \[length 0002\], warning close_notify", output),
        f"{process.name} saw no close_notify",
    )


def saw_alert(process, alert):
    """OpenSSL received this fatal alert."""
    received = re.findall(r"<<< .*Alert \[length 0002\], fatal (\w+)", process.output())
    check(received == [alert], f"{process.name} saw {received} instead of the alert {alert!r}")


for openssl_name_, mbedtls_name_, cert_ in SUITES:

    @case(f"openssl s_client -> server: {openssl_name_}, {cert_}")
    def suite_server(bench, suite=openssl_name_, name=mbedtls_name_, cert=cert_):
        server, port = tls_server(bench, cert)
        client = bench.s_client(port, "-tls1_2", "-cipher", f"{suite}:@SECLEVEL=0")
        client.send(b"hello\n")
        client.wait_for(r"^echo:hello$")
        finished(server, f"^CIPHER {name} TLSv1.2$")
        check(client.wait() == 0, "s_client's exit code")
        no_truncation(client)

    @case(f"client, set_ciphers -> openssl s_server: {openssl_name_}, {cert_}")
    def suite_client(bench, suite=openssl_name_, name=mbedtls_name_, cert=cert_):
        server, port = bench.s_server(
            "-tls1_2", "-cipher", "ALL:@SECLEVEL=0", "-rev", "-naccept", "1", cert=cert
        )
        client = bench.micropython("tls_client.py", port=port, ca=bench.cert("ca"), ciphers=name)
        finished(client, f"^CIPHER {name} TLSv1.2$")
        check("LINE b'olleh\\n'" in client.output(), "the line did not come back")
        check(server.wait() == 0, "s_server's exit code")
        no_truncation(server)


@case("openssl s_client -> server: mutual TLS")
def mutual_server(bench):
    server, port = tls_server(bench, ca=bench.cert("ca"), verify=2)
    client = bench.s_client(
        port, "-tls1_2", "-cert", bench.file("client"), "-key", bench.file("client", "key")
    )
    client.send(b"hello\n")
    client.wait_for(r"^echo:hello$")
    finished(server, r"^CIPHER ")


@case("client -> openssl s_server: mutual TLS, RSA client certificate")
def mutual_client(bench):
    server, port = bench.s_server(
        "-tls1_2", "-Verify", "2", "-CAfile", bench.file("ca"), "-verify_return_error", "-rev",
        "-naccept", "1",
    )  # fmt: skip
    client = bench.micropython(
        "tls_client.py",
        port=port,
        ca=bench.cert("ca"),
        cert=bench.cert("rsa_client"),
        key=bench.key("rsa_client"),
    )
    finished(client, r"^LINE b'olleh")
    check(server.wait() == 0, "s_server's exit code")
    check("CN = client2" in server.output(), "s_server did not see the certificate")


@case("close_notify from OpenSSL's server is the end of the stream")
def close_notify_to_client(bench):
    (bench.logs / "page").write_bytes(b"the page\n")
    _, port = bench.s_server("-tls1_2", "-WWW", cwd=bench.logs)
    client = bench.micropython(
        "tls_client.py",
        port=port,
        ca=bench.cert("ca"),
        line="GET /page HTTP/1.0\r\n\r",
        until_eof=1,
    )
    finished(client, r"^EOF b'.*the page\\n'$")
    # OpenSSL keeps TCP open: the module itself must remember the end.
    check("AGAIN b''" in client.output(), "the end was forgotten")
    check("ERROR" not in client.output(), "an error instead of the end")


@case("close_notify from OpenSSL's client is the end of the stream")
def close_notify_to_server(bench):
    server, port = tls_server(bench, until_eof=1)
    client = bench.s_client(port, "-tls1_2", "-no_ign_eof")
    client.send(b"hello\n")
    client.wait_for(r"^echo:hello$")
    client.close_stdin()
    finished(server, r"^EOF b''$")
    check("AGAIN b''" in server.output(), "the end was forgotten")
    check("ERROR" not in server.output(), "an error instead of the end")


# --- OpenSSL: alerts -----------------------------------------------------------------------------

# What is wrong: (arguments of the client, the server's certificate, the alert OpenSSL must see)
REFUSALS = {
    "untrusted CA": ({"ca": "other_ca"}, "ec", "unknown_ca"),
    "expired": ({"ca": "ca"}, "expired", "certificate_expired"),
    "not yet valid": ({"ca": "ca"}, "notyet", "certificate_unknown"),
    "wrong host": ({"ca": "ca"}, "wronghost", "bad_certificate"),
    "self-signed": ({"ca": "ca"}, "selfsigned", "unknown_ca"),
}

for what_, (given_, cert_, alert_) in REFUSALS.items():

    @case(f"alert at openssl s_server: {what_}")
    def alert_to_server(bench, given=given_, cert=cert_, alert=alert_):
        server, port = bench.s_server("-tls1_2", "-rev", "-naccept", "1", cert=cert)
        client = bench.micropython("tls_client.py", port=port, ca=bench.cert(given["ca"]))
        finished(client, r"^ERROR ValueError")
        server.wait()
        saw_alert(server, alert)


@case("alert at openssl s_client: no client certificate")
def alert_no_certificate(bench):
    server, port = tls_server(bench, ca=bench.cert("ca"), verify=2)
    client = bench.s_client(port, "-tls1_2")
    client.wait()
    finished(server, r"^ERROR ")
    # RFC 5246, 7.4.6: "handshake failure" is the alert for it.
    saw_alert(client, "handshake_failure")


@case("alert at openssl s_client: client certificate of another CA")
def alert_other_client(bench):
    server, port = tls_server(bench, ca=bench.cert("ca"), verify=2)
    client = bench.s_client(
        port, "-tls1_2", "-cert", bench.file("other_client"), "-key",
        bench.file("other_client", "key"),
    )  # fmt: skip
    client.wait()
    finished(server, r"^ERROR ")
    saw_alert(client, "unknown_ca")


@case("alert at openssl s_client: no suite in common")
def alert_no_suite(bench):
    server, port = tls_server(bench)
    client = bench.s_client(port, "-tls1_2", "-cipher", "ECDHE-RSA-AES128-GCM-SHA256")
    client.wait()
    finished(server, r"^ERROR OSError")
    saw_alert(client, "handshake_failure")


@case("alert at openssl s_client: corrupted record")
def alert_bad_mac_server(bench):
    server, port = tls_server(bench)
    proxy = RecordFlipper(port, corrupt_from_client=True)
    bench.stack.callback(proxy.close)
    client = bench.s_client(proxy.port, "-tls1_2")
    client.wait_for(r"^SSL-Session:")
    client.send(b"hello\n")
    finished(server, r"^ERROR OSError")
    client.wait()
    saw_alert(client, "bad_record_mac")


@case("alert at openssl s_server: corrupted record")
def alert_bad_mac_client(bench):
    server, port = bench.s_server("-tls1_2", "-rev", "-naccept", "1")
    proxy = RecordFlipper(port, corrupt_from_client=False)
    bench.stack.callback(proxy.close)
    client = bench.micropython("tls_client.py", port=proxy.port, ca=bench.cert("ca"))
    finished(client, r"^ERROR OSError")
    server.wait()
    saw_alert(server, "bad_record_mac")


# --- the runner ----------------------------------------------------------------------------------


def run_case(function, bench):
    """("PASS" | "FAIL" | "SKIP", reason)"""
    try:
        with bench.stack:
            function(bench)
        return "PASS", ""
    except Skip as skip:
        return "SKIP", str(skip)
    except Failure as failure:
        return "FAIL", str(failure)
    except Exception as error:  # a peer in this process, such as CPython's ssl, failed
        return "FAIL", f"{type(error).__name__}: {error}"


def print_logs(bench):
    for process in bench.processes:
        lines = process.output().splitlines()
        print(f"    --- {process.name} ({process.log.relative_to(bench.logs.parent)})")
        # The dumps of s_client -msg say little here.
        lines = [line for line in lines if not re.match(r"^    ([0-9a-f]{2} ?)+$", line)]
        for line in lines[-25:]:
            print(f"    {line}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--binary", type=Path, default=ROOT / "build/unix/micropython")
    parser.add_argument("--build", type=Path, default=ROOT / "build")
    parser.add_argument(
        "--micropython-lib",
        type=Path,
        help="a checkout of micropython-lib; default: that of MICROPYTHON_DIR, if it has one",
    )
    parser.add_argument(
        "--path", type=Path, action="append", default=[], help="more of MicroPython's module path"
    )
    parser.add_argument(
        "--der", action="store_true", help="DER files only: the stock module takes no PEM"
    )
    parser.add_argument("--list", action="store_true", help="print the names of the cases")
    parser.add_argument("patterns", nargs="*", metavar="PATTERN")
    arguments = parser.parse_args()

    chosen = [
        (name, function)
        for name, function in CASES
        if not arguments.patterns or any(pattern in name for pattern in arguments.patterns)
    ]
    if arguments.list:
        print("\n".join(name for name, _ in chosen))
        return 0
    arguments.binary = arguments.binary.resolve()
    if not arguments.binary.exists():
        print(f"{arguments.binary} is missing: run `make unix` first", file=sys.stderr)
        return 2
    build = arguments.build.resolve() / "consumers"
    certs = arguments.build.resolve() / "certs"
    subprocess.run([ROOT / "tests/certs/make_certs.sh", certs], check=True)
    checkout = arguments.micropython_lib
    if checkout is None and "MICROPYTHON_DIR" in os.environ:
        checkout = Path(os.environ["MICROPYTHON_DIR"]) / "lib/micropython-lib"
    libraries = Libraries(build, checkout)

    shutil.rmtree(build / "logs", ignore_errors=True)
    counts = {"PASS": 0, "FAIL": 0, "SKIP": 0}
    for number, (name, function) in enumerate(chosen):
        logs = build / "logs" / f"{number:02}"
        logs.mkdir(parents=True)
        bench = Bench(arguments, libraries, certs, logs)
        start = time.monotonic()
        result, reason = run_case(function, bench)
        counts[result] += 1
        seconds = time.monotonic() - start
        print(f"{result} {name} ({seconds:.1f} s){': ' if reason else ''}{reason}", flush=True)
        if result == "FAIL":
            print_logs(bench)
    print(f"{counts['PASS']} passed, {counts['FAIL']} failed, {counts['SKIP']} skipped")
    return 1 if counts["FAIL"] else 0


if __name__ == "__main__":
    sys.exit(main())
