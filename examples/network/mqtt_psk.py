"""MQTT over TLS with a pre-shared key: no certificates, no clock, few bytes.

    micropython mqtt_psk.py [HOST PORT IDENTITY KEY]

KEY in hexadecimal. Publishes one message and waits for its return. On a board, first

    mpremote mip install umqtt.simple

and set the constants below. (On unix, which has no mip, put umqtt/simple.py of micropython-lib into
~/.micropython/lib. PyPI's packages of that name have another interface.) A mosquitto to talk to has in its configuration

    listener 8883
    psk_hint anything
    psk_file /etc/mosquitto/psk
    use_identity_as_username true

and in /etc/mosquitto/psk one line for each device: IDENTITY:KEY.
"""

import ssl
import sys

from umqtt.simple import MQTTClient

HOST = "192.168.1.10"
PORT = 8883
# Which device this is, and the secret that only it and the broker have: 16 random bytes or
# more, another for each device. (On a computer: openssl rand -hex 16)
IDENTITY = "sensor-7"
KEY = ""

TOPIC = b"sensors/%s/hello"
KEEPALIVE_S = 60


def make_context(identity, key):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # With these two set, no certificate is asked for: who has the key is trusted.
    context.psk_identity = identity
    context.psk_key = key
    return context


def main(host, port, identity, key):
    topic = TOPIC % identity.encode()
    came = []
    client = MQTTClient(
        identity.encode(), host, port, keepalive=KEEPALIVE_S, ssl=make_context(identity, key)
    )
    client.set_callback(lambda topic, message: came.append((topic, message)))
    # A key that is wrong, or an identity the broker does not know, raises OSError here.
    client.connect()
    print("connected with", client.sock.cipher()[0])
    try:
        client.subscribe(topic)
        client.publish(topic, b"Hello over TLS-PSK")
        while not came:
            client.wait_msg()
        for topic, message in came:
            print(topic.decode(), "->", message.decode())
    finally:
        client.disconnect()


if __name__ == "__main__":
    arguments = sys.argv[1:] or [HOST, PORT, IDENTITY, KEY]
    if len(arguments) != 4 or not arguments[3]:
        print("usage: mqtt_psk.py HOST PORT IDENTITY KEY, or set the constants in it")
        sys.exit(2)
    host, port, identity, key = arguments
    main(host, int(port), identity, bytes.fromhex(key))
