# Trust anchors from a native stream that cannot seek: a file that is unpacked as it is read.
# skip: needs the modules deflate and vfs

try:
    import deflate, io, ssl, sys, vfs
except ImportError:
    print("SKIP")
    raise SystemExit

sys.path.append("support")
import pki
from files import FileSystem
from link import *


def packed(data):
    """One stored block (RFC 1951 3.2.4)."""
    n = len(data)
    return b"\x01" + n.to_bytes(2, "little") + (n ^ 0xFFFF).to_bytes(2, "little") + data


PEMS = {
    "first": pki.ca_pem + pki.other_ca_pem,
    "last": pki.other_ca_pem + pki.ca_pem,
    "other": pki.other_ca_pem,
}
opened = []


class Packed(FileSystem):
    files = {name: packed(pem.encode()) for name, pem in PEMS.items()}

    def open(self, path, mode):
        name = path.lstrip("/")
        opened.append(name)
        if name not in self.files:
            raise OSError(2)
        return deflate.DeflateIO(io.BytesIO(self.files[name]), deflate.RAW)


vfs.mount(Packed(), "/packed")
for names in (("first",), ("last",), ("other",), ("other", "last"), ("other", "other", "first")):
    ctx = client_context()
    for name in names:
        ctx.load_verify_locations("/packed/" + name)
    ctx.verify_mode = ssl.CERT_REQUIRED
    del opened[:]
    client, server = pair(ctx)[:2]
    outcome = shake(client, server)[0]
    print(names, ctx.cert_store_stats()["x509"], outcome is True or type(outcome).__name__, len(opened) > 0)

# Another file in its place is noticed; so is one that is cut, or gone.
ctx = client_context()
ctx.load_verify_locations("/packed/last")
ctx.verify_mode = ssl.CERT_REQUIRED
whole = Packed.files["last"]
for label, data in (
    ("another", Packed.files["first"]),
    ("cut", whole[:-40]),
    ("empty", packed(b"")),
    ("damaged", b"\x07" + whole[1:]),
    ("gone", None),
    ("back", whole),
):
    Packed.files["last"] = data
    if data is None:
        del Packed.files["last"]
    print(label, repr(shake(*pair(ctx)[:2])[0]))
vfs.umount("/packed")
