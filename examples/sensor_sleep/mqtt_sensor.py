"""A sensor that sleeps between its messages: MQTT over TLS with a session that is resumed.

    micropython mqtt_sensor.py HOST PORT CA [SERVER_NAME]

Each run is one waking: it publishes one message and ends. The first run verifies the broker's certificate. The
others go on with that session: nobody signs, and the certificate is not sent. After a deep sleep TCP
begins anew, so the connection itself cannot go on, as coap_sensor.py's does.

On a board, first `mpremote mip install umqtt.simple`; put storage.py beside it, set the constants, and call this
file main.py. The clock must be right to verify a certificate (ntptime). The broker must give sessions, as
mosquitto does.
"""

import ssl
import sys

import storage
from umqtt.simple import MQTTClient

HOST, PORT, CA = "", 8883, "ca.pem"
SLEEP_MS = 60_000
TOPIC = b"sensors/7/hello"
SESSION = "tls.session"


def make_context(ca):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(cafile=ca)
    context.options &= ~ssl.OP_NO_TICKET  # keep sessions
    context.keep_peer_cert = False  # 600 bytes less to save
    return context


class Resuming:
    """The context that MQTTClient is given, which knows nothing of sessions."""

    def __init__(self, context, name, session):
        self.context, self.name, self.session = context, name, session

    def wrap_socket(self, sock, server_hostname):
        return self.context.wrap_socket(sock, server_hostname=self.name or server_hostname, session=self.session)


def load_session():
    saved = storage.load(SESSION)
    try:
        return ssl.SSLSession(saved) if saved else None
    except ValueError:
        return None  # another firmware's


def connect(host, port, context, name, session):
    client = MQTTClient(b"sensor-7", host, port, keepalive=60, ssl=Resuming(context, name, session))
    client.connect()
    return client


def wake(host, port, ca, name=None):
    """One message; whether the session of the last run was good for it."""
    context, session = make_context(ca), load_session()
    try:
        client = connect(host, port, context, name, session)
    except ValueError:
        client = connect(host, port, context, name, None)  # a session of other settings
    client.publish(TOPIC, b"awake", qos=1)  # and waits for the answer, before which the ticket comes
    reused = client.sock.session_reused
    if client.sock.session:
        storage.save(SESSION, client.sock.session.serialize())
    client.disconnect()
    return reused


if __name__ == "__main__":
    arguments = sys.argv[1:] or [HOST, str(PORT), CA]
    if not 3 <= len(arguments) <= 4 or not arguments[0]:
        print("usage: mqtt_sensor.py HOST PORT CA [SERVER_NAME], or set the constants in it")
        sys.exit(2)
    host, port, *more = arguments
    print("resumed" if wake(host, int(port), *more) else "new session")
    if sys.platform not in ("linux", "darwin"):
        import machine

        machine.deepsleep(SLEEP_MS)
