# Certificates and keys from files: where a str names one, and that it is closed again.
# skip: needs the vfs module

try:
    import io, os, ssl, sys, vfs
except ImportError:
    print("SKIP")
    raise SystemExit

sys.path.append("support")
import tls
import pki
from files import FileSystem
from link import *

opened = []


class File(io.IOBase):
    def __init__(self, path, data):
        self.path = path
        self.data = io.BytesIO(data)

    def read(self):
        if "unreadable" in self.path:
            raise OSError(5)
        return self.data.read()

    def ioctl(self, request, arg):
        if request == 4:  # close
            opened.append((self.path, "closed"))
            if "interrupted" in self.path:
                raise KeyboardInterrupt
            return 0
        return -22


class Files(FileSystem):
    files = {
        "/ec.pem": pki.ec_pem.encode(),
        "/ec.key": pki.ec_key.encode(),
        "/ec.der": pki.ec_der,
        "/ec.key.der": pki.ec_key_der,
        "/both.pem": (pki.ec_key + pki.ec_pem).encode(),
        "/encrypted.pk8": pki.encrypted_pk8.encode(),
        "/leaf.key": pki.leaf_key.encode(),
        "/ca.pem": pki.ca_pem.encode(),
        "/ca.der": pki.ca_der,
        "/empty": b"",
        "/nonsense": b"nonsense",
        "/unreadable": b"",
        "/unreadable.interrupted": b"",
        "/ca.interrupted": pki.ca_der,
    }

    def chdir(self, path):
        pass

    def open(self, path, mode):
        path = "/" + path.lstrip("/")
        opened.append((path, mode))
        if path not in self.files:
            raise OSError(2)
        return File(path, self.files[path])


vfs.mount(Files(), "/files")
os.chdir("/files")


def check(label, fun, *args, **kwargs):
    opened[:] = []
    show(label, fun, *args, **kwargs)
    for path, mode in opened:
        if path in Files.files and mode != "closed":
            closed = opened.count((path, "closed")) == opened.count((path, "rb"))
            if not closed:
                print("    left open:", path)
    print("   ", "looked for files" if opened else "looked for no file")


def chain(cls, label, *args, **kwargs):
    ctx = cls(ssl.PROTOCOL_TLS_SERVER)
    check(label, lambda: ctx.load_cert_chain(*args, **kwargs) or shake(*pair(None, ctx)[:2]))


def anchors(cls, label, *args, **kwargs):
    ctx = cls(ssl.PROTOCOL_TLS_CLIENT)
    ctx.verify_mode = ssl.CERT_REQUIRED
    check(label, lambda: ctx.load_verify_locations(*args, **kwargs) or shake(*pair(ctx)[:2]))


chain(ssl.SSLContext, "PEM", "/files/ec.pem", "/files/ec.key")
chain(ssl.SSLContext, "relative", "ec.pem", "ec.key")
chain(ssl.SSLContext, "DER", certfile="ec.der", keyfile="ec.key.der")
chain(ssl.SSLContext, "both", "both.pem")
chain(ssl.SSLContext, "one of them", pki.ec_pem, "ec.key")
chain(ssl.SSLContext, "other of them", "ec.pem", pki.ec_key)
chain(ssl.SSLContext, "password", "ec.pem", "encrypted.pk8", "secret")
chain(ssl.SSLContext, "no such cert", "no.pem", "ec.key")
chain(ssl.SSLContext, "no such key", "ec.pem", "no.key")
chain(ssl.SSLContext, "of another", "ec.pem", "leaf.key")
chain(ssl.SSLContext, "empty key", "ec.pem", "empty")
chain(ssl.SSLContext, "nonsense cert", "nonsense", "ec.key")
chain(ssl.SSLContext, "unreadable", "unreadable", "unreadable")
chain(ssl.SSLContext, "a path is a str", b"ec.pem", b"ec.key")
# A str is data for tls.SSLContext.
chain(tls.SSLContext, "tls", "ec.pem", "ec.key")

for cls in (ssl.SSLContext, tls.SSLContext):
    anchors(cls, "cafile PEM", cafile="/files/ca.pem")
    anchors(cls, "cafile DER", cafile="ca.der")
    anchors(cls, "cafile is data", cafile=pki.ca_pem)
    anchors(cls, "no such cafile", cafile="no.pem")
    anchors(cls, "empty cafile", cafile="empty")
    anchors(cls, "cadata is no path", cadata="ca.pem")
    anchors(cls, "a path is a str", cafile=b"ca.pem")
    anchors(cls, "positional", "ca.pem")  # data for tls.SSLContext

# Ctrl-C while a file is closed: also where that is not why the call fails, when it comes a moment later.
for path in ("ca.interrupted", "unreadable.interrupted"):
    ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    for load in (lambda: ctx.load_verify_locations(cafile=path), lambda: ctx.load_cert_chain(path, "ec.key")):
        came = []
        try:
            try:
                load()
            except OSError as er:
                came.append(er.errno)
            for _ in range(100):
                pass
        except KeyboardInterrupt:
            came.append("Ctrl-C")
        print(path, came[-1:])


# Module-level wrap_socket.
def wrapped(server_kwargs, client_kwargs):
    a, b = link()
    server = ssl.wrap_socket(b, server_side=True, do_handshake=False, **server_kwargs)
    client = ssl.wrap_socket(a, server_hostname=HOST, do_handshake=False, **client_kwargs)
    return shake(client, server)


server_kwargs = {"keyfile": "ec.key", "certfile": "ec.pem"}
check("wrap", wrapped, server_kwargs, {"cert_reqs": ssl.CERT_REQUIRED, "ca_certs": "ca.pem"})
check("wrap", wrapped, {"key": "ec.key", "cert": "ec.pem"}, {})
check("wrap without key", wrapped, {"certfile": "ec.pem"}, {})
check("wrap both", wrapped, {"certfile": "both.pem"}, {})
check("wrap no such", wrapped, server_kwargs, {"ca_certs": "no.pem"})
check("wrap cadata", wrapped, server_kwargs, {"cadata": "ca.pem"})



# Files of a file system in Python are of any class that has the methods.
class Plain:
    def __init__(self, path, data):
        self.path = path
        self.data = data

    def read(self):
        if "unreadable" in self.path:
            raise OSError(5)
        return self.data

    def close(self):
        opened.append((self.path, "closed"))
        if "unclosable" in self.path:
            raise OSError(7)


class Sub(io.BytesIO):
    def __init__(self, path, data):
        super().__init__(data)


class Unmade(io.BytesIO):
    def __init__(self, path, data):
        pass


class NoClose:
    def __init__(self, path, data):
        pass

    def read(self):
        return pki.ca_der


make = None


class Others(FileSystem):
    def open(self, path, mode):
        return make(path, pki.ca_der)


os.chdir("/")
vfs.umount("/files")
vfs.mount(Others(), "/others")
for label, make in (
    ("plain", Plain),
    ("of BytesIO's", Sub),
    ("not initialised", Unmade),
    ("without close", NoClose),
    ("BytesIO", lambda path, data: io.BytesIO(data)),
    ("StringIO", lambda path, data: io.StringIO(pki.ca_pem)),
    ("bytes", lambda path, data: data),
    ("None", lambda path, data: None),
):
    for name in ("ca", "unreadable", "unclosable"):
        opened[:] = []
        ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        try:
            ctx.load_verify_locations("/others/" + name)
            result = True
        except Exception as er:
            result = type(er).__name__
        print(label, name, result, ctx.cert_store_stats()["x509"], opened)
vfs.umount("/others")
