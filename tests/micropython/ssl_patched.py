# The modules and ssl.SSLContext can be added to and patched, as MicroPython's ssl, which is
# Python, can; a new import begins anew.

try:
    import ssl, sys
except ImportError:
    print("SKIP")
    raise SystemExit

import tls, ussl

for module in (ssl, tls, ussl):
    print(module, module.__name__, sys.modules[module.__name__] is module)
    module.anything = 1
    print(module.anything)
    del module.anything
    print(hasattr(module, "anything"))
    for name in ("PROTOCOL_TLS_CLIENT", "SSLContext"):
        before = getattr(module, name)
        setattr(module, name, "patched")
        again = __import__(module.__name__)
        print(again is module, getattr(again, name))
        setattr(module, name, before)
    print(sorted(module.__dict__) == sorted(n for n in dir(module) if n[:2] != "__" or n == "__name__"))
print(tls.PROTOCOL_TLS_CLIENT, ssl.PROTOCOL_TLS_CLIENT)

wrap_socket = ssl.wrap_socket
ssl.wrap_socket = lambda sock, **kwargs: ("wrapped", sock)
print(ssl.wrap_socket(1), ussl.wrap_socket is wrap_socket)
ssl._create_default_https_context = ssl.SSLContext

from ssl import *

print(CERT_REQUIRED, SSLContext is ssl.SSLContext, wrap_socket(1))

# A context of ssl keeps what it does not know; the class can be patched.
ctx = ssl.SSLContext(PROTOCOL_TLS_CLIENT)
ctx.anything = [1]
print(ctx.anything)
del ctx.anything
print(hasattr(ctx, "anything"))
original = ssl.SSLContext.wrap_socket
ssl.SSLContext.wrap_socket = lambda self, sock: ("mine", sock)
print(ctx.wrap_socket(2))
ssl.SSLContext.wrap_socket = original
print(hasattr(ctx.wrap_socket, "nothing"))

# As after a soft reset.
old = ssl.SSLContext
del sys.modules["ssl"], sys.modules["ussl"]
import ssl, ussl

print(ssl.wrap_socket is ussl.wrap_socket, hasattr(ssl, "_create_default_https_context"))
print(ssl.SSLContext is old, ussl.SSLContext is ssl.SSLContext, type(ctx) is old)
print(ctx.verify_mode)
