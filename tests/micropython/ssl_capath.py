# load_verify_locations(capath=): a directory of hashed names.
# skip: only unix has directories here
try:
    import os, ssl

    os.mkdir
    ssl.get_default_verify_paths  # only on unix
except (ImportError, AttributeError):
    print("SKIP")
    raise SystemExit

import sys

sys.path.append("support")
import pki
from link import *

DIR = "/tmp/ssl_capath-%08x" % int.from_bytes(os.urandom(4), "big")
os.mkdir(DIR)


def write(name, data):
    with open(DIR + "/" + name, "wb") as file:
        file.write(data)


def trusted(ctx):
    return shake(*pair(ctx, server_context(pki.ec_der, pki.ec_key_der))[:2])[0] is True


def load(label, **given):
    ctx = client_context()
    try:
        ctx.load_verify_locations(**given)
        ctx.verify_mode = ssl.CERT_REQUIRED
        print(label, ctx.cert_store_stats()["x509"], trusted(ctx))
    except (OSError, ValueError, TypeError) as er:
        print(label, "TypeError" if isinstance(er, TypeError) else repr(er))


try:
    load("empty", capath=DIR)
    load("not there", capath=DIR + "/none")
    load("bytes", capath=1)
    # Who has no such name is not looked at.
    for name in ("ca.pem", "12345678.", "1234567.0", "123456789.0", "12345678.0x", "12345678.r", "1234567g.0", "12345678-0"):
        write(name, pki.ca_der)
    load("other names", capath=DIR)
    write("0123abcd.0", b"rubbish")
    load("rubbish alone", capath=DIR)
    write("0123abcd.1", pki.other_ca_der)
    load("another CA", capath=DIR)
    write("FFFFFFFF.12", pki.ca_pem.encode())
    load("the CA", capath=DIR)
    # No file, though its name is there: as a link to one that is gone.
    os.mkdir(DIR + "/00000000.0")
    load("and a directory", capath=DIR)
    os.rmdir(DIR + "/00000000.0")
    load("with a slash", capath=DIR + "/")
    load("and a file", capath=DIR, cafile=DIR + "/ca.pem")
    load("and data", capath=DIR, cadata=pki.ca_der)
    load("and no data", capath=DIR, cadata=b"")
    load("no path", capath="", cadata=pki.ca_der)
    load("nothing", capath="")
    ctx = ssl.create_default_context(capath=DIR)
    print(ctx.cert_store_stats()["x509"], trusted(ctx))
    server = server_context()
    server.load_verify_locations(capath=DIR)
    print(server.cert_store_stats()["x509"])
    # What has been loaded must stay.
    write("FFFFFFFF.12", pki.other_ca_der)
    print(str(shake(*pair(ctx, server_context(pki.ec_der, pki.ec_key_der))[:2])[0]).replace(DIR, ""))
finally:
    for name in os.listdir(DIR):
        os.remove(DIR + "/" + name)
    os.rmdir(DIR)
