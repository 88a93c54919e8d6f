"""One MQTT session over TLS with the library that library= names: subscribe, publish to self, ping.

Prints OK and the cipher suite, or REFUSED and the error of connect().
"""

import sys

from options import context, options, read, unhex

given = options()
library, port = given["library"], int(given["port"])


def ssl_params():
    """What umqtt hands to the module-level wrap_socket()."""
    if "psk_identity" in given:
        return {"psk_ident": unhex(given, "psk_identity"), "psk_key": unhex(given, "psk_key")}
    result = {"server_hostname": "localhost"}
    if "ca" in given:
        result["cert_reqs"] = 2
        result["cadata"] = read(given["ca"])
    if "cert" in given:
        result["cert"] = read(given["cert"])
        result["key"] = read(given["key"])
    return result


if library in ("umqtt.simple", "umqtt.robust"):
    if library == "umqtt.simple":
        from umqtt.simple import MQTTClient
    else:
        from umqtt.robust import MQTTClient

        MQTTClient.DELAY = 1
    client = MQTTClient(b"micropython", "localhost", port, ssl=True)
elif library == "terkin":
    from umqtt import MQTTClient

    client = MQTTClient("micropython", "localhost", port, ssl=True, ssl_params=ssl_params())
elif library == "micropython-lib, ssl_params":
    from umqtt.simple import MQTTClient

    client = MQTTClient(b"micropython", "localhost", port, ssl=True, ssl_params=ssl_params())
elif library == "micropython-lib, SSLContext":
    from umqtt.simple import MQTTClient

    client = MQTTClient(b"micropython", "localhost", port, keepalive=30, ssl=context(given))
elif library == "home-assistant":
    from umqtt import MQTTClient

    client = MQTTClient(b"micropython", "localhost", port, keepalive=30, ssl=context(given))
elif library == "arduino":
    from arduino_iot_cloud.umqtt import MQTTClient

    parameters = {"server_hostname": "localhost", "verify_mode": int(given.get("verify", 2))}
    for name, parameter in (("ca", "cafile"), ("cert", "certfile"), ("key", "keyfile")):
        if name in given:
            parameters[parameter] = given[name]
    client = MQTTClient(b"micropython", "localhost", port, parameters, keepalive=30)
else:
    raise ValueError(library)

# terkin's umqtt encodes strings itself, the others take bytes.
text = (lambda data: data.decode()) if library == "terkin" else (lambda data: data)
received = []
client.set_callback(lambda topic, message: received.append((bytes(topic), bytes(message))))

try:
    client.connect()
except (OSError, ValueError) as error:
    print("REFUSED", repr(error))
    sys.exit(0)


def publish_and_receive(message):
    client.publish(text(b"test/topic"), text(message), qos=1)
    while (b"test/topic", message) not in received:
        client.wait_msg()


client.subscribe(text(b"test/#"))
for size in (1, 100, 4000):
    publish_and_receive(b"m" * size)
client.ping()
client.wait_msg()

if "reconnect" in given:
    # The driver ends the broker, starts it anew, and then says so.
    print("CONNECTED")
    sys.stdin.readline()
    client.publish(b"test/topic", b"after the break", qos=1)
    client.subscribe(b"test/#")
    publish_and_receive(b"and again")

if "psk_identity" in given:
    print("HINT", client.sock.psk_identity_hint)
print("OK", client.sock.cipher())
client.disconnect()
