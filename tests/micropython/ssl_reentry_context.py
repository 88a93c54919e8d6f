# A call on a context within a call on the same context, from a file that it reads.
# skip: needs the vfs module

try:
    import io, ssl, sys, vfs
except ImportError:
    print("SKIP")
    raise SystemExit

sys.path.append("support")
import pki
from files import FileSystem
from link import *

ctx = client_context()
said = []


def store():
    ctx.verify_mode = ssl.CERT_NONE


def inner():
    for what in (
        ctx.cert_store_stats,
        ctx.get_ciphers,
        lambda: ctx.set_ciphers(["TLS-ECDHE-ECDSA-WITH-AES-128-GCM-SHA256"]),
        lambda: ctx.load_verify_locations(cadata=pki.other_ca_der),
        lambda: ctx.load_cert_chain(pki.ec_der, pki.ec_key_der),
        lambda: ctx.wrap_socket(link()[0], do_handshake_on_connect=False),
        lambda: ctx.verify_mode,
        store,
    ):
        try:
            said.append(what())
        except OSError as er:
            said.append(er.errno)


class File(io.IOBase):
    def read(self):
        inner()
        return pki.ca_der

    def ioctl(self, request, arg):
        return 0


class Files(FileSystem):
    def open(self, path, mode):
        return File()


vfs.mount(Files(), "/busy")
ctx.load_verify_locations("/busy/ca")
print(len(said), [what == EBUSY or what for what in said])
ctx.verify_mode = ssl.CERT_REQUIRED
print(ctx.cert_store_stats()["x509"], shake(*pair(ctx)[:2]))
# A server's file is read before its context is entered: there all of them may be.
ctx = server_context()
del said[:]
ctx.load_verify_locations("/busy/ca")
print(len(said), EBUSY in said, ctx.cert_store_stats()["x509"])
vfs.umount("/busy")
