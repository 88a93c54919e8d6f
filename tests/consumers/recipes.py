"""The recipes of docs/recipes.md, as they are, with real peers."""

import contextlib
import hashlib
import os
import re
import shutil
import socket
import ssl
import threading
import time

from cases import ROOT, case, finished
from mqtt import Broker
from peers import WAIT_S, check, free_port, need_program
from psk import IDENTITY, KEY

RECIPES = ROOT / "examples/recipes"
PAGE = r"^HTTP/1.0 200 ok\s+the page$"


def recipe(bench, name, *arguments, **options):
    return bench.micropython(RECIPES / name, positional=arguments, **options)


def server(bench, name, *arguments):
    """A recipe that serves: (process, port)."""
    port = free_port()
    process = recipe(bench, name, port, *arguments)
    process.wait_for(r"^serving on port")
    return process, port


def web_server(bench):
    """A page over TLS 1.2, as often as it is asked for: the port."""
    listener = socket.create_server(("127.0.0.1", 0))
    bench.stack.callback(listener.close)
    context = bench.python_context(server=True)
    context.maximum_version = ssl.TLSVersion.TLSv1_2

    def serve():
        with contextlib.suppress(OSError):
            while True:
                raw, _ = listener.accept()
                with contextlib.suppress(OSError), context.wrap_socket(raw, server_side=True) as tls:
                    request = b""
                    while not request.endswith(b"\r\n\r\n"):
                        data = tls.recv(1000)
                        if not data:
                            break
                        request += data
                    else:
                        tls.sendall(b"HTTP/1.0 200 ok\r\n\r\nthe page\n")

    threading.Thread(target=serve, daemon=True).start()
    return listener.getsockname()[1]


def silent_server(bench):
    """Takes connections and says nothing."""
    listener = socket.create_server(("127.0.0.1", 0))
    bench.stack.callback(listener.close)
    return listener.getsockname()[1]


def lines(bench, port, *said, cert=None):
    """What a line server answers to each line."""
    context = bench.python_context()
    if cert:
        context.load_cert_chain(bench.file(cert), bench.file(cert, "key"))
    with socket.create_connection(("127.0.0.1", port), WAIT_S) as raw:
        with context.wrap_socket(raw, server_hostname="localhost") as tls, tls.makefile("rwb") as stream:
            for line in said:
                stream.write(line)
                stream.flush()
                yield stream.readline()


@case("recipes: https_ca.py: with a CA file, with the system's CAs, and with the wrong CA")
def https_ca(bench):
    port = web_server(bench)
    finished(recipe(bench, "https_ca.py", "localhost", port, bench.file("ca")), PAGE)
    system = {"SSL_CERT_FILE": str(bench.file("ca"))}
    finished(recipe(bench, "https_ca.py", "localhost", port, environment=system), PAGE)
    wrong = recipe(bench, "https_ca.py", "localhost", port, bench.file("other_ca"))
    finished(wrong, r"^ValueError: ", code=1)


@case("recipes: https_pin.py: the right fingerprint, and another one, which sees no request")
def https_pin(bench):
    port = web_server(bench)
    pin = hashlib.sha256(bench.file("ec", "der").read_bytes()).hexdigest()
    finished(recipe(bench, "https_pin.py", "localhost", port, pin), PAGE)
    wrong = recipe(bench, "https_pin.py", "localhost", port, "00" * 32)
    finished(wrong, r"^ValueError: the server has another certificate$", code=1)


@case("recipes: https_serve.py to curl; who is silent, or no TLS, is closed and the next is served")
def https_serve(bench):
    _, port = server(bench, "https_serve.py", bench.file("ec"), bench.file("ec", "key"))
    check(bench.curl(port, f"https://localhost:{port}/") == b"Hello\n", "curl got another page")
    with socket.create_connection(("127.0.0.1", port), WAIT_S) as plain:
        plain.sendall(b"GET / HTTP/1.0\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            while plain.recv(100):
                pass
    with socket.create_connection(("127.0.0.1", port), WAIT_S):
        start = time.monotonic()
        check(bench.curl(port, f"https://localhost:{port}/") == b"Hello\n", "the next was not served")
        check(9 < time.monotonic() - start < 15, "not closed after ten seconds")


@case("recipes: mutual_server.py and mutual_client.py; without a certificate, and another CA's")
def mutual(bench):
    ours = [bench.file("ec"), bench.file("ec", "key"), bench.file("ca")]
    serving, port = server(bench, "mutual_server.py", *ours)

    def client(name):
        files = [bench.file("ca"), bench.file(name), bench.file(name, "key")]
        return recipe(bench, "mutual_client.py", "localhost", port, *files)

    finished(client("client"), r"^hello client1$")
    serving.wait_for(r"^client1 says b'good morning")
    # In TLS 1.2 the alert comes in the handshake, or the next message meets a closed socket.
    finished(client("other_client"), r"^OSError: .*(alert 48 unknown_ca|32|104)", code=1)
    serving.wait_for(r"^refused: ValueError\(")
    try:
        list(lines(bench, port, b"x\n"))
        check(False, "let in without a certificate")
    except (ssl.SSLError, ConnectionError):
        serving.wait_for(r"NO_CLIENT_CERTIFICATE")
    check(list(lines(bench, port, b"x\n", cert="client")) == [b"hello client1\n"], "not served")


class ConfiguredBroker(Broker):
    """mosquitto with a recipe's configuration, its paths and port exchanged."""

    def __init__(self, bench, name):
        self.bench = bench
        self.program = need_program("mosquitto", "mosquitto")
        self.port = free_port()
        self.config = bench.logs / name
        text = (RECIPES / name).read_text()
        text, n = re.subn(r"^listener 8883$", f"listener {self.port} localhost", text, flags=re.M)
        check(n == 1, "no listener in the configuration")
        text = text.replace("/etc/mosquitto/certs", str(bench.logs))
        # Not of the recipe: what a test of it needs.
        root = "user root\n" if os.getuid() == 0 else ""
        self.config.write_text(root + "log_type all\npersistence false\n" + text)
        for suffix in ("pem", "key"):
            shutil.copy(bench.file("ec", suffix), bench.logs / f"server.{suffix}")
        shutil.copy(bench.file("ca"), bench.logs)
        (bench.logs / "psk.txt").write_text(f"{IDENTITY}:{KEY}\n")
        self.start()


@case("recipes: mqtt_cert.py to mosquitto with mosquitto_cert.conf; a foreign certificate is refused")
def mqtt_cert(bench):
    broker = ConfiguredBroker(bench, "mosquitto_cert.conf")

    def client(name):
        files = [bench.file("ca"), bench.file(name), bench.file(name, "key")]
        library = "home-assistant as umqtt.simple"
        return recipe(bench, "mqtt_cert.py", "localhost", broker.port, *files, module_path=library)

    finished(client("client"), r"^came back: 21.5$")
    broker.process.wait_for(r"New client connected .* u'client1'")
    finished(client("other_client"), r"^OSError: .*(alert 48 unknown_ca|32|104)", code=1)


@case("recipes: mqtt_psk.py to mosquitto with mosquitto_psk.conf")
def mqtt_psk(bench):
    broker = ConfiguredBroker(bench, "mosquitto_psk.conf")
    client = bench.micropython(
        ROOT / "examples/network/mqtt_psk.py",
        "home-assistant as umqtt.simple",
        positional=["localhost", broker.port, IDENTITY, KEY],
    )
    finished(client, r"hello -> Hello over TLS-PSK$")
    broker.process.wait_for(f"New client connected .* u'{IDENTITY}'")


@case("recipes: aio_server.py and aio_client.py; a silent server; a client that fails alone")
def aio(bench):
    serving, port = server(bench, "aio_server.py", bench.file("ec"), bench.file("ec", "key"))
    finished(recipe(bench, "aio_client.py", "localhost", port, bench.file("ca")), r"^hello$")
    wrong = recipe(bench, "aio_client.py", "localhost", port, bench.file("other_ca"))
    finished(wrong, r"^ValueError: ", code=1)
    serving.wait_for(r"^client failed: OSError")
    check(list(lines(bench, port, b"a\n", b"b\n")) == [b"a\n", b"b\n"], "not served")
    silent = recipe(bench, "aio_client.py", "localhost", silent_server(bench), bench.file("ca"))
    finished(silent, r"^no answer$")


@case("recipes: many_connections.py: twenty sleep, are seen to, and each still answers")
def many_connections(bench):
    serving, port = server(bench, "many_connections.py", bench.file("ec"), bench.file("ec", "key"))
    clients = [lines(bench, port, b"one\n", b"two\n") for _ in range(20)]
    for client in clients:
        check(next(client) == b"one\n", "no echo")
    serving.wait_for(r"^20 connections, 20 hibernate, \d+ bytes free$")
    for client in clients:
        check(next(client) == b"two\n", "does not wake")
        client.close()
    serving.wait_for(r"^0 connections, 0 hibernate")


@case("recipes: time_limits.py: a page; a server that is silent, and one that drips, in the limit")
def time_limits(bench):
    port = web_server(bench)
    finished(recipe(bench, "time_limits.py", "localhost", port, bench.file("ca"), 10), PAGE)
    start = time.monotonic()
    silent = recipe(bench, "time_limits.py", "localhost", silent_server(bench), bench.file("ca"), 2)
    finished(silent, r"^OSError: \[Errno 110\] ETIMEDOUT$", code=1)
    check(1.9 < time.monotonic() - start < 5, "not after two seconds")

    listener = socket.create_server(("127.0.0.1", 0))
    bench.stack.callback(listener.close)

    def drip():
        context = bench.python_context(server=True)
        with contextlib.suppress(OSError), context.wrap_socket(listener.accept()[0], server_side=True) as tls:
            while True:
                tls.sendall(b"x")
                time.sleep(0.2)

    threading.Thread(target=drip, daemon=True).start()
    start = time.monotonic()
    port = listener.getsockname()[1]
    slow = recipe(bench, "time_limits.py", "localhost", port, bench.file("ca"), 2)
    finished(slow, r"^OSError: \[Errno 110\] ETIMEDOUT$", code=1)
    check(1.9 < time.monotonic() - start < 5, "not after two seconds")


@case("recipes: threads.py: one reads, the other writes")
def threads(bench):
    _, port = server(bench, "aio_server.py", bench.file("ec"), bench.file("ec", "key"))
    client = recipe(bench, "threads.py", "localhost", port, bench.file("ca"))
    finished(client, r"^came: line 0\ncame: line 1\ncame: line 2\nreader ends: OSError\(9")
