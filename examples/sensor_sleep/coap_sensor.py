"""A sensor that sleeps between its messages: CoAP over DTLS, one connection for all of them.

    micropython coap_sensor.py HOST PORT IDENTITY KEY

Each run is one waking: it asks the server for /uptime, puts the connection away and ends. On a board, set the
constants, call this file main.py, and it sleeps deeply for a minute instead. Beside it belong storage.py and, of
examples/network, coap_server.py and coaps_psk.py. A server to talk to is

    micropython coaps_psk.py server PORT IDENTITY KEY

The first run shakes hands. The others send the request and read the answer: two datagrams, and no more. With Connection IDs,
which coaps_psk.py's server has, the sensor may get another address while it sleeps.
"""

import os
import sys

import coaps_psk
import storage

HOST, PORT = "192.168.1.10", 5684
IDENTITY, KEY = "sensor-7", ""
PATH = "uptime"
SLEEP_MS = 60_000

STATE = "dtls.state"
STATE_KEY = "dtls.key"  # what the state is encrypted with, made at the first run
COUNTER = "dtls.count"


def state_key():
    """A chip with a protected store keeps it there."""
    key = storage.load(STATE_KEY)
    if key is None or len(key) != 32:
        key = os.urandom(32)
        storage.save(STATE_KEY, key)
    return key


def open_connection(host, port, context, key, counter):
    """The connection of the last run, or a new one, and whether it is the former."""
    state = storage.load(STATE)
    if state:
        sock = coaps_psk.udp(host, port)
        try:
            return context.restore(sock, state, key=key, counter=counter), True
        except (ValueError, OSError) as error:
            # Another firmware's, say, or the power failed in the last run.
            print("cannot go on:", error)
            sock.close()
    return coaps_psk.connect(host, port, context), False


def wake(host, port, identity, psk):
    """One message. Whether the connection of the last run was good for it, and the answer."""
    key, counter = state_key(), storage.Counter(COUNTER)
    context = coaps_psk.client_context(identity, psk)
    connection, restored = open_connection(host, port, context, key, counter)
    try:
        try:
            answer = coaps_psk.get(connection, PATH)
        except OSError:
            if not restored:
                raise
            # The server has forgotten the connection: it was restarted, say.
            connection.close()
            connection, restored = coaps_psk.connect(host, port, context), False
            answer = coaps_psk.get(connection, PATH)
        storage.save(STATE, connection.export(key=key, counter=counter))
    except:
        storage.remove(STATE)
        connection.close()
        raise
    return restored, answer


def main(host, port, identity, psk):
    restored, (code, payload) = wake(host, port, identity, psk)
    print("went on" if restored else "new connection", "%.2f" % code, payload.decode().strip())


if __name__ == "__main__":
    arguments = sys.argv[1:] or [HOST, PORT, IDENTITY, KEY]
    if len(arguments) != 4 or not arguments[3]:
        print("usage: coap_sensor.py HOST PORT IDENTITY KEY, or set the constants in it")
        sys.exit(2)
    main(arguments[0], int(arguments[1]), *arguments[2:])
    if sys.platform not in ("linux", "darwin"):
        import machine

        machine.deepsleep(SLEEP_MS)
