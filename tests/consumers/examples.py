"""The examples of TLS, as they are, with real peers. (Those of DTLS: tests/datagrams.)"""

from cases import ROOT, case, finished
from peers import check, free_port
from psk import CLOSED, IDENTITY, KEY, PSKBroker

EXAMPLES = ROOT / "examples"


def example_server(bench):
    """examples/https_server.py: its port."""
    port = free_port()
    server = bench.micropython(
        EXAMPLES / "https_server.py", positional=[port, bench.file("ec"), bench.file("ec", "key")]
    )
    server.wait_for(r"^serving")
    return port


def example_client(bench, port, path="/", ca="ca"):
    arguments = ["localhost", port, path, bench.file(ca)]
    return bench.micropython(EXAMPLES / "https_client.py", positional=arguments)


@case("examples: https_server.py to curl and to https_client.py")
def example_https_server(bench):
    port = example_server(bench)
    page = b"Hello from MicroPython over TLS\nThis page came through import ssl.\n"
    check(bench.curl(port, f"https://localhost:{port}/") == page, "curl got another page")
    finished(example_client(bench, port), r"^HTTP/1.0 200 OK\nHello from MicroPython over TLS\n")
    # One client that goes away again does not end it.
    finished(example_client(bench, port, ca="other_ca"), r"not correctly signed", code=1)
    check(bench.curl(port, f"https://localhost:{port}/") == page, "the next one was not served")


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
        check("connected with TLS-" in client.output(), "no suite")
        broker.process.wait_for(f"New client connected .* as {IDENTITY} .* u'{IDENTITY}'")
        broker.process.wait_for(f"Received DISCONNECT from {IDENTITY}")

    @case(f"examples: mqtt_psk.py with a wrong key is refused by mosquitto, with {library_}")
    def example_mqtt_psk_refused(bench, library=library_):
        client = mqtt_psk(bench, library, PSKBroker(bench), key="ff" * 16)
        finished(client, CLOSED.replace(r"OSError\(", r"^OSError: \(?"), code=1)
