# What a board trusts without being told whom: who is in /ca.bundle, if there is such a file.
# skip: unix has a list of its own
try:
    import ssl, vfs

    if hasattr(ssl, "get_default_verify_paths"):
        raise ImportError
except ImportError:
    print("SKIP")
    raise SystemExit

import sys

sys.path.append("support")
import pki
from files import FileSystem
from link import *

FILE, DIRECTORY = 0x8000, 0x4000


class File:
    def __init__(self, data):
        self.data = data

    def read(self):
        return self.data

    def close(self):
        pass


class Files(FileSystem):
    kind = FILE
    content = None

    def look(self, path):
        if path != "/ca.bundle" or self.content is None:
            raise OSError(2)

    def stat(self, path):
        self.look(path)
        return (self.kind, 0, 0, 0, 0, 0, 0, 0, 0, 0)

    def open(self, path, mode):
        self.look(path)
        return File(self.content)


def results(label):
    try:
        made = ssl.create_default_context()
        contexts = [made]
        for name in ("load_default_certs", "set_default_verify_paths"):
            ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            getattr(ctx, name)()
            contexts.append(ctx)
    except Exception as er:
        print(label, repr(er))
        return
    counts = [ctx.cert_store_stats()["x509"] for ctx in contexts]
    print(label, made.verify_mode, made.check_hostname, counts, shake(*pair(made)[:2])[0] is True)


results("no file system")
files = Files()
vfs.mount(files, "/")
try:
    results("no file")
    for label, content in (
        ("PEM", pki.ca_pem.encode()),
        ("DER", pki.other_ca_der + pki.ca_der),
        ("another CA", pki.other_ca_der),
        ("rubbish", b"rubbish"),
    ):
        files.content = content
        results(label)
    files.kind = DIRECTORY
    results("a directory")
finally:
    vfs.umount("/")
