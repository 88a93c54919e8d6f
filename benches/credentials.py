#!/usr/bin/env python3
"""What keys that are objects, and CAs that are read on demand, come to on an emulated board: exact numbers.

    benches/credentials.py OURS [STOCK]     firmwares for VIRT_RV32 with the tests' heap (ports/qemu/build.sh --tests);
                                            without STOCK its figures stay as they are

Handshakes with a key in memory and with an object that signs in its place: instructions of both ends, but for
those of the object; it is a chip's time that they stand for. And what a client takes of memory that trusts the
web's CAs (Debian's ca-certificates, and one more): what its context keeps, and the peak of a handshake; beside a
client that trusts one, and beside all of them in memory. Each is measured twice and must come to the same numbers.
Writes docs/credentials.json, for `make docs`.
"""

import base64
import datetime
import json
import subprocess
import sys
from pathlib import Path

sys.dont_write_bytecode = True

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
sys.path[:0] = [str(HERE), str(ROOT / "tools"), str(ROOT / "tests")]

import cabundle  # noqa: E402
import harness  # noqa: E402
import qemu  # noqa: E402

BOARD = "VIRT_RV32"
BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")


def store(certs):
    """Lines that make STORE on the board."""
    data = b"".join(certs)
    lines = [f"from binascii import a2b_base64\nSTORE = bytearray({len(data)})"]
    for at in range(0, len(data), 600):
        piece = base64.b64encode(data[at : at + 600]).decode()
        lines.append(f"STORE[{at}:{min(at + 600, len(data))}] = a2b_base64('{piece}')")
    lines.append("STORE = memoryview(bytes(STORE))")
    return "\n".join(lines) + "\n"


def source(what, version, extra=""):
    given = {"WHAT": what, "VERSION": version, **qemu.SINGLE}
    return extra + qemu.script(given, "qemu_credentials.py")


def measured(elf, text):
    one, other = (json.loads(qemu.on_board(BOARD, elf, text)) for _ in range(2))
    if one != other:
        raise SystemExit(f"{elf}: it differs from run to run: {one} {other}")
    return one


def main():
    if len(sys.argv) not in (2, 3):
        raise SystemExit(__doc__)
    certs = cabundle.certificates(BUNDLE.read_bytes())
    certs.append(qemu.SINGLE["CA"])
    found = {"CAs": len(certs), "store": sum(map(len, certs))}
    for version in ("TLSv1.2", "TLSv1.3"):
        found[f"keys, {version}"] = measured(sys.argv[1], source("keys", version, harness.board_signers()))
    found["ours"] = measured(sys.argv[1], source("trust", "TLSv1.2", store(certs)))
    made = ROOT / "docs/credentials.json"
    if len(sys.argv) == 2:
        found["stock"] = json.loads(made.read_text())["stock"]
    else:
        found["stock"] = measured(sys.argv[2], source("trust", "TLSv1.2", store(certs)))
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True)
    found.update(date=datetime.date.today().isoformat(), commit=commit.stdout.strip())
    made.write_text(json.dumps(found, indent=1) + "\n")
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
