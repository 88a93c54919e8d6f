# The modules ssl, tls and ussl: their names, constants and defaults.

try:
    import ssl, tls, ussl
except ImportError:
    print("SKIP")
    raise SystemExit

print(ssl is tls, ssl.__name__, ussl.__name__, tls.__name__)
# The old module's CERT_OPTIONAL is another; that is in its wrap_socket.
print(dir(ssl) == dir(ussl))
print([n for n in dir(ssl) if n[0] != "_" and getattr(ssl, n) != getattr(ussl, n)])

for module in (ssl, tls):
    print(
        module.PROTOCOL_TLS_CLIENT,
        module.PROTOCOL_TLS_SERVER,
        module.PROTOCOL_DTLS_CLIENT,
        module.PROTOCOL_DTLS_SERVER,
        module.CERT_NONE,
        module.CERT_OPTIONAL,
        module.CERT_REQUIRED,
    )
    # "Mbed TLS 3.6.6", in the words of that library's headers.
    name, _, version = module.MBEDTLS_VERSION.partition(" TLS ")
    print(name.lower(), int(version.split(".")[0]) >= 3)

print(ssl.SSLError is OSError)
try:
    raise OSError(-1)
except ssl.SSLError as er:
    print("caught", repr(er))

for error, number in (
    (ssl.SSLWantReadError, ssl.SSL_ERROR_WANT_READ),
    (ssl.SSLWantWriteError, ssl.SSL_ERROR_WANT_WRITE),
):
    print(error.__name__, issubclass(error, OSError), number, error(number).errno)

# tls.SSLContext verifies servers unless told otherwise, ssl.SSLContext does not.
for protocol in range(4):
    print(protocol, tls.SSLContext(protocol).verify_mode, ssl.SSLContext(protocol).verify_mode)

# micropython-lib's ssl.SSLContext wraps a tls.SSLContext, and programs reach for that one.
ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
ctx._context.verify_mode = ssl.CERT_OPTIONAL
print(ctx.verify_mode)
print(hasattr(tls.SSLContext(0), "_context"))

for module in (ssl, tls):
    for args in ((), (4,), (-1,), (1 << 32,), (0, 1), ("x",), (None,)):
        try:
            module.SSLContext(*args)
            print(args, "accepted")
        except Exception as er:
            print(args, type(er).__name__, er if type(er) is ValueError else "")

# What a context, a socket or a module is not meant to have.
ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
for action in (
    lambda: ctx.nonsense,
    lambda: setattr(tls.SSLContext(0), "nonsense", 1),
    lambda: delattr(ctx, "verify_mode"),
    lambda: delattr(ctx, "verify_callback"),
):
    try:
        print("returned", action())
    except AttributeError:
        print("AttributeError")
print(ctx.verify_mode, ctx.verify_callback)
