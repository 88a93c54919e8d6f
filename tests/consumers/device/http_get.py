"""GET and POST over HTTPS with the library that library= names.

Prints OK, or REFUSED and the error.
"""

import sys
import time

from options import options

given = options()
library, url = given["library"], given["url"]
LIMIT_MS = 15000


def with_chumicro():
    """A client without blocking: the loop below is the user's."""
    from chumicro_requests import HttpClient
    from chumicro_sockets import ssl_context_no_verify, ssl_context_with_ca
    from chumicro_sockets.sockets_factory import connector_factory
    from chumicro_timing import ticks_ms

    if "ca" in given:
        with open(given["ca"], "rb") as file:
            ssl_context = ssl_context_with_ca(file.read())
    else:
        ssl_context = ssl_context_no_verify()
    client = HttpClient(
        transport_factory=connector_factory(ssl_context=ssl_context), max_body_bytes=200000
    )

    def finish(handle):
        start = time.ticks_ms()
        while not handle.done:
            if client.check(ticks_ms()):
                client.handle(ticks_ms())
            if time.ticks_diff(time.ticks_ms(), start) > LIMIT_MS:
                raise OSError("no answer")
        return handle.result

    def get(path):
        response = finish(client.get(url + path, timeout_ms=LIMIT_MS))
        return response.status_code, response.body

    def post(path, body):
        response = finish(client.post(url + path, body=body, timeout_ms=LIMIT_MS))
        return response.status_code, response.body

    return get, post


def with_requests(requests):
    def get(path):
        response = requests.get(url + path)
        result = response.status_code, response.content
        response.close()
        return result

    def post(path, body):
        response = requests.post(url + path, data=body)
        result = response.status_code, response.content
        response.close()
        return result

    return get, post


if library == "chumicro":
    get, post = with_chumicro()
elif library == "micropython-lib":
    import requests

    get, post = with_requests(requests)
elif library == "terkin":
    import urequests

    get, post = with_requests(urequests)
else:
    raise ValueError(library)

try:
    status, body = get("/hello")
except Exception as error:  # chumicro's errors are no OSErrors
    print("REFUSED", repr(error))
    sys.exit(0)
assert (status, body) == (200, b"hello\n"), (status, body)
if "only_hello" in given:
    print("OK")
    sys.exit(0)
status, body = get("/big")
assert (status, len(body)) == (200, 100000), (status, len(body))
assert body == bytes(range(250)) * 400
status, body = post("/echo", b"posted by MicroPython")
assert (status, body) == (200, b"posted by MicroPython"), (status, body)
print("OK")
