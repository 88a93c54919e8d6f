# A key that is an object, and CAs in memory that are read on demand, with no more of Python than a board has.
try:
    import ssl

    ssl.SSLWantSignError
except (ImportError, AttributeError):
    print("SKIP")
    raise SystemExit

import gc
import sys

sys.path.append("support")
import pki
from link import *
from signers import CURVES, EcKey, multiply

VERSIONS = [ssl.TLSVersion.TLSv1_2] + ([ssl.TLSVersion.TLSv1_3] if ssl.HAS_TLSv1_3 else [])


class Key(EcKey):
    """Its numbers are not random: it is for a test."""

    wait = 0
    wrong = False

    def sign(self, digest):
        if self.wait:
            self.wait -= 1
            return NotImplemented
        p, order, x, y = CURVES[self.n]
        k = int.from_bytes(digest[: self.n], "big") | 1
        r = multiply(k, (x, y, 1), p)[0] % order
        s = pow(k, order - 2, order) * (int.from_bytes(digest[: self.n], "big") + r * self.d) % order
        return r.to_bytes(self.n, "big") + (s ^ self.wrong).to_bytes(self.n, "big")


def talk(of_client, of_server):
    c, s, _, _ = pair(of_client, of_server)
    results = [None, None]
    waited = 0
    for _ in range(30):
        for i, sock in enumerate((c, s)):
            if results[i] is None:
                result = step(sock)
                if isinstance(result, ssl.SSLWantSignError):
                    gc.collect()
                    waited, result = waited + 1, None
                results[i] = result
    if results != [True, True]:
        return waited, repr(results[1] if isinstance(results[1], ValueError) else results)
    c.write(b"question")
    return waited, s.read(8)


key = Key(pki.ec_key_der)
stores = (pki.ca_der, pki.other_ca_der + pki.ca_der, pki.ca_pem, (pki.other_ca_pem + pki.ca_pem).encode())
for version in VERSIONS:
    of_server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    of_server.load_cert_chain(pki.ec_der, key)
    of_server.maximum_version = version
    of_client = client_context(pki.ca_der)
    of_client.load_cert_chain(pki.ec_der, key)
    with_key = server_context(pki.ec_der, pki.ec_key_der)
    with_key.maximum_version = version
    with_key.verify_mode = ssl.CERT_OPTIONAL  # it is a server's
    with_key.load_verify_locations(cadata=pki.ca_der)
    results = []
    for store in stores:
        client = client_context(store)
        client.verify_mode = ssl.CERT_REQUIRED
        results.append(talk(client, of_server))
    results.append(talk(of_client, with_key))
    for both in ((client_context(pki.ca_der), of_server), (of_client, with_key)):
        key.wait = 3
        results.append(talk(*both))
    key.wrong = True
    results.append(talk(client_context(pki.ca_der), of_server))
    key.wrong = False
    stranger = client_context(pki.other_ca_der)
    stranger.verify_mode = ssl.CERT_REQUIRED
    c, s, _, _ = pair(stranger, of_server)
    results.append(str(shake(c, s)[0]).strip())
    # Each version comes to the same.
    if version == VERSIONS[0]:
        first = results
        for result in results:
            print(result)
    assert results == first, results
