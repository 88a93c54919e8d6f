# What the system trusts: the file that SSL_CERT_FILE names, and if it is not there, nobody.
# skip: only unix has an environment
try:
    import os, ssl

    os.putenv
    ssl.get_default_verify_paths  # only on unix
except (ImportError, AttributeError):
    print("SKIP")
    raise SystemExit

import sys

sys.path.append("support")
import pki
from link import *

NAME = "micropy_default_certs.pem"


def look(label):
    made = ssl.create_default_context()
    loaded = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    loaded.load_default_certs()
    counts = [ctx.cert_store_stats()["x509"] for ctx in (made, loaded)]
    print(label, ssl.get_default_verify_paths().cafile, counts, shake(*pair(made)[:2])[0] is True)


os.putenv("SSL_CERT_FILE", NAME)
look("none")
with open(NAME, "w") as file:
    file.write(pki.ca_pem)
try:
    look("one")
    with open(NAME, "w") as file:
        file.write(pki.other_ca_pem)
    look("another")
    # What is there and cannot be read is an error.
    with open(NAME, "w") as file:
        file.write("text")
    show("text", ssl.create_default_context)
finally:
    os.remove(NAME)
os.putenv("SSL_CERT_FILE", "")
look("no name")

# Without it, the first file there is of those that systems have.
os.unsetenv("SSL_CERT_FILE")
cafile = ssl.get_default_verify_paths().cafile


def is_there(path):
    try:
        open(path).close()
        return True
    except OSError:
        return False


FILES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem")
print(cafile == next((file for file in FILES if is_there(file)), None))
print((cafile is not None) == (ssl.create_default_context().cert_store_stats()["x509"] > 0))
