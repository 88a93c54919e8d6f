# Threads: contexts whose keys, callbacks and CAs one thread changes while others connect with them.
# skip: before MicroPython 1.26, threads break the list of what Mbed TLS has of the collector's heap

try:
    import ssl, sys, time

    ssl.SSLWantSignError
except (ImportError, AttributeError):
    print("SKIP")
    raise SystemExit

sys.path.append("support")

import pki
from blocking import allocator_is_safe, start
from link import *

if not allocator_is_safe(globals()):
    print("SKIP")
    raise SystemExit


class Key:
    def sign(self, digest):
        return NotImplemented  # it is asked, which is all there is to know


def during(change, look):
    """Calls both for a while, each in a thread; what look() finds, but for nothing."""
    going = [True]

    def changes():
        i = 0
        while going[0]:
            change(i)
            i += 1
        return i

    join = start(changes)
    found, n, begin = [], 0, time.ticks_ms()
    while time.ticks_diff(time.ticks_ms(), begin) < 1500 and not found:
        result = look()
        n += 1
        if result is not None:
            found.append(result)
    going[0] = False
    join()
    return found


of_server = server_context(pki.ec_der, pki.ec_key_der)
of_client = client_context(pki.ca_der)


def change_key(i):
    of_server.load_cert_chain(pki.ec_der, pki.ec_key_der if i % 2 else Key())


def connect():
    # What the handshake asks is what the certificate was loaded with.
    c, s, _, _ = pair(of_client, of_server)
    step(c)
    result = step(s)
    c.close()
    s.close()
    if result is not None and not isinstance(result, ssl.SSLWantSignError):
        return result


print("keys:", during(change_key, connect))

client = client_context()
counts = [0, 0]


def add(which, cert):
    if counts[which] < 100:
        client.load_verify_locations(cadata=cert)
        counts[which] += 1
    else:
        time.sleep_ms(1)


print("CAs:", during(lambda i: add(0, (pki.ca_der, pki.rsa_der)[i & 1]), lambda: add(1, pki.ec384_der)))
# Each of them has its place.
print(client.cert_store_stats()["x509"] == sum(counts), min(counts) > 0)
client.verify_mode = ssl.CERT_REQUIRED
print(shake(*pair(client, server_context(pki.ec_der, pki.ec_key_der))[:2]))
