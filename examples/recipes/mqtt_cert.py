"""MQTT with certificates on both sides: publish one message, and wait for it to come back.

    micropython mqtt_cert.py HOST PORT CAFILE CERTIFICATE KEY

On a board, first: mpremote mip install umqtt.simple
"""

import ssl
import sys

from umqtt.simple import MQTTClient

TOPIC = b"sensors/kitchen"


def main(host, port, cafile, certificate, key):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(cafile=cafile)
    context.load_cert_chain(certificate, key)
    client = MQTTClient(b"kitchen", host, int(port), keepalive=60, ssl=context)
    came = []
    client.set_callback(lambda topic, message: came.append(message))
    # Wrong certificates raise here: OSError or ValueError.
    client.connect()
    client.subscribe(TOPIC)
    client.publish(TOPIC, b"21.5")
    while not came:
        client.wait_msg()
    print("came back:", came[0].decode())
    client.disconnect()


if __name__ == "__main__":
    main(*sys.argv[1:])
