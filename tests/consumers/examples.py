"""The examples of TLS, as they are, with real peers. (Those of DTLS: tests/datagrams.)"""

import contextlib
import os
import re
import socket
import ssl
import sys
import threading
import time
from pathlib import Path

from cases import ROOT, case, finished
from mqtt import Broker
from peers import WAIT_S, Skip, check, free_port, need_program
from psk import CLOSED, IDENTITY, KEY, PSKBroker

EXAMPLES = ROOT / "examples"
PAGE = b"Hello from MicroPython over TLS\nThis page came through import ssl.\n"
SERVER_TIMEOUT_S = 10  # of https_server.py


def example_server(bench):
    """examples/https_server.py: its port."""
    port = free_port()
    server = bench.micropython(
        EXAMPLES / "https_server.py", positional=[port, bench.file("ec"), bench.file("ec", "key")]
    )
    server.wait_for(r"^serving")
    return port


@case("examples: make demo")
def demo(bench):
    need_program("curl", "curl")
    command = [sys.executable, ROOT / "tools/demo.py", "--binary", bench.arguments.binary]
    demo = bench.start("demo", [*command, "--build", bench.logs])
    finished(demo, r"^OK: three pages over TLS")


def example_client(bench, port, path="/", ca="ca"):
    arguments = ["localhost", port, path, bench.file(ca)]
    return bench.micropython(EXAMPLES / "https_client.py", positional=arguments)


@case("examples: https_server.py to curl and to https_client.py")
def example_https_server(bench):
    port = example_server(bench)
    check(bench.curl(port, f"https://localhost:{port}/") == PAGE, "curl got another page")
    finished(example_client(bench, port), r"^HTTP/1.0 200 OK\nHello from MicroPython over TLS\n")
    # One client that goes away again does not end it.
    finished(example_client(bench, port, ca="other_ca"), r"not correctly signed", code=1)
    check(bench.curl(port, f"https://localhost:{port}/") == PAGE, "the next one was not served")


def connect(bench, port):
    """A TLS connection, for a client that misbehaves."""
    raw = socket.create_connection(("127.0.0.1", port), WAIT_S)
    connection = bench.python_context().wrap_socket(raw, server_hostname="localhost")
    bench.stack.callback(connection.close)
    return connection


@case("examples: https_server.py: a line without end, and 100 MB of it: 431, the next is served")
def example_endless_line(bench):
    port = example_server(bench)
    connection = connect(bench, port)
    connection.sendall(b"GET /" + b"x" * 3000)
    answer = connection.recv(1000)
    check(answer.startswith(b"HTTP/1.0 431 "), f"answered {answer}")
    # Closed in the middle, which to the client can look like anything.
    connection = connect(bench, port)
    with contextlib.suppress(OSError):
        for _ in range(100):
            connection.sendall(b"x" * 1_000_000)
    check(bench.curl(port, f"https://localhost:{port}/") == PAGE, "the next one was not served")


# Headers that never end; and the beginning of a handshake's record, whose end does not come.
DRIPS = {
    "a byte of the request at a time": (connect, b"GET / HTTP/1.1\r\nX: " + b"x" * 200),
    "a byte of the handshake at a time": (
        lambda bench, port: socket.create_connection(("127.0.0.1", port), WAIT_S),
        b"\x16\x03\x01\x00\xff\x01\x00\x00\xfb\x03\x03" + bytes(200),
    ),
}

for what_, (open_, drips_) in DRIPS.items():

    @case(f"examples: https_server.py: {what_}: closed in time, the next is served")
    def example_drip(bench, open=open_, drips=drips_):
        port = example_server(bench)
        connection = bench.stack.enter_context(open(bench, port))
        connection.settimeout(0.2)
        start = time.monotonic()

        def drip():
            """Until the server closes; an end that is a reset, or TLS's, is one, too."""
            with contextlib.suppress(ConnectionError, ssl.SSLError):
                for i in range(len(drips)):
                    connection.sendall(drips[i : i + 1])
                    with contextlib.suppress(TimeoutError):
                        if connection.recv(1000) == b"":
                            return

        dripping = threading.Thread(target=drip, daemon=True)
        dripping.start()
        check(bench.curl(port, f"https://localhost:{port}/") == PAGE, "the next one was not served")
        took = time.monotonic() - start
        dripping.join(WAIT_S)
        check(not dripping.is_alive(), "was not closed")
        # Nor was it closed for something else.
        check(SERVER_TIMEOUT_S - 1 < took < SERVER_TIMEOUT_S + 5, f"after {took:.1f} s")


@case("examples: https_client.py from openssl s_server")
def example_https_client(bench):
    (bench.logs / "page").write_bytes(b"the page\n")
    _, port = bench.s_server("-tls1_2", "-WWW", cwd=bench.logs)
    finished(example_client(bench, port, "/page"), r"^HTTP/1.0 200 ok\nthe page\n")


# Where umqtt.simple comes from.
for library_ in ("micropython-lib", "home-assistant as umqtt.simple"):

    def mqtt_psk(bench, library, broker, identity=IDENTITY, key=KEY):
        return bench.micropython(
            EXAMPLES / "network/mqtt_psk.py",
            library,
            positional=["localhost", broker.port, identity, key],
        )

    @case(f"examples: mqtt_psk.py to mosquitto, with {library_}")
    def example_mqtt_psk(bench, library=library_):
        broker = PSKBroker(bench)
        client = mqtt_psk(bench, library, broker)
        finished(client, rf"^sensors/{IDENTITY}/hello -> Hello over TLS-PSK$")
        check(re.search("connected with TLS(-|1-3-)", client.output()), "no suite")
        broker.process.wait_for(f"New client connected .* as {IDENTITY} .* u'{IDENTITY}'")
        broker.process.wait_for(f"Received DISCONNECT from {IDENTITY}")

    @case(f"examples: mqtt_psk.py with a wrong key is refused by mosquitto, with {library_}")
    def example_mqtt_psk_refused(bench, library=library_):
        client = mqtt_psk(bench, library, PSKBroker(bench), key="ff" * 16)
        finished(client, CLOSED.replace(r"OSError\(", r"^OSError: \(?"), code=1)


@case("examples: sensor_sleep/mqtt_sensor.py to mosquitto: resumed in another process; its file lost or changed")
def example_mqtt_sensor(bench):
    broker = Broker(bench)
    files = bench.logs / "sensor"
    files.mkdir()
    example, name = EXAMPLES / "sensor_sleep", "home-assistant as umqtt.simple"
    library = bench.libraries.path(name)
    if library is None:
        raise Skip(bench.libraries.missing[name])

    def wake():
        client = bench.start(
            "mqtt_sensor.py",
            [Path(bench.arguments.binary).resolve(), example / "mqtt_sensor.py", "localhost", str(broker.port), bench.file("ca")],
            cwd=files,
            env=dict(os.environ, MICROPYPATH=f"{example}:{library}:.frozen"),
        )
        check(client.wait() == 0, f"it ended with {client.output()}")
        return client.output().strip()

    saved = files / "tls.session"
    check(wake() == "new session", "the first")
    for _ in range(3):
        check(wake() == "resumed", "another")
    saved.write_bytes(saved.read_bytes()[:-1])
    check(wake() == "new session", "a session that was cut")
    saved.unlink()
    check(wake() == "new session", "without a session")
    check(wake() == "resumed", "then it goes on")
