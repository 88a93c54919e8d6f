"""MQTT: umqtt and its descendants against mosquitto."""

import os

from cases import case, finished, need_makefile
from peers import check, free_port, need_program


class Broker:
    """mosquitto with a TLS listener; `mutual` demands a client certificate signed by ca.

    `credentials`: lines of its configuration instead of those for a certificate.
    """

    def __init__(self, bench, mutual=False, cert="ec", credentials=None):
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
        ]
        lines += credentials or [
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


for library_ in MQTT_LIBRARIES:

    @case(f"mqtt: {library_}: server verified")
    def mqtt_verified(bench, library=library_):
        broker = Broker(bench)
        client = mqtt_client(bench, library, broker.port, ca=bench.cert("ca"))
        finished(client, r"^OK .*TLS(-ECDHE-ECDSA|1-3)-")
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
