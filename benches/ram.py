#!/usr/bin/env python3
"""`make bench-ram`: what a connection takes of memory, on an emulated board.

    ram.py [--check]

Upstream's module, this one, this one with TLS 1.3 compiled in at either version, and this one with
Mbed TLS's record buffers; on RV32, with one heap.
Each measurement is made twice and must come to the same numbers. Prints a table, writes
build/bench-ram.json and draws docs/memory.svg. With --check, the exit code is 1 if a target is
missed.
"""

import argparse
import json
import sys

import chart
import qemu
from qemu import ROOT, bench

sys.dont_write_bytecode = True

BOARD = "VIRT_RV32"
SHOWN = ("stock", "ours", "ours-1.2", "ours-1.3")
FIXED = "ours-fixed"
# KB that a server has in a handshake: its peak, rounded up.
HANDSHAKE = {"stock": 26, "ours": 6, "ours-1.2": 7, "ours-1.3": 10, FIXED: 6}
MEASUREMENTS = ("idle", "crowd", "records")
CREDENTIALS = {
    **qemu.SINGLE,
    "CLIENT": qemu.der(qemu.pki.client_pem),
    "CLIENT_KEY": qemu.der(qemu.pki.client_key),
}
CHART = ROOT / "docs/memory.svg"
TITLE = "A TLS 1.2 connection on RV32, AES-GCM: bytes of heap"

# (what, key, the most it may be; a share of stock's if it is below 1; the most at TLS 1.3)
ROWS = [
    ("idle client, AES-GCM, keep_peer_cert False", "gcm_lean_client_idle", 2300, 2200),
    ("    the same with the peer's certificate", "gcm_client_idle", None),
    ("idle server connection, AES-GCM", "gcm_server_idle", 2300, 2200),
    ("idle server connection, AES-CCM8", "ccm8_server_idle", 1800),
    ("idle server connection, ChaCha20-Poly1305", "chacha20_server_idle", 1400),
    ("idle DTLS server connection, AES-GCM", "gcm_dtls_server_idle", None),
    ("idle DTLS server connection, AES-CCM8", "ccm8_dtls_server_idle", None),
    ("peak of a verified handshake, client", "gcm_client_peak", 0.3),
    ("    server", "gcm_server_peak", 0.3),
    ("    server that verifies too", "mutual_server_peak", 0.3),
    ("    DTLS client, of a transport in Python", "gcm_dtls_client_peak", None),
]
CROWD_AT_LEAST = 12
# Of the speed with fixed buffers.
SPEED_AT_LEAST = {"record_256": 0.95, "record_4096": 0.95}


def source(what, module):
    given = {"WHAT": what, "VERSION": qemu.version(module), "HANDSHAKE": HANDSHAKE[module]}
    return qemu.script({**given, **CREDENTIALS}, "ram_pair.py")


def measure(module):
    elf = qemu.firmware(BOARD, module)
    if not elf.exists():
        raise bench.BenchError(f"{elf.relative_to(ROOT)} is missing: make bench-ram builds it")
    figures, differing = {}, {}
    for what in MEASUREMENTS:
        one, other = (json.loads(qemu.on_board(BOARD, elf, source(what, module))) for _ in range(2))
        differing.update({key: [one[key], other[key]] for key in one if one[key] != other[key]})
        figures.update(one)
    return figures, differing


def verdict(met, target):
    return f"{target}: {'met' if met else 'MISSED'}"


def show(figures):
    """Prints the table; how many targets are missed."""
    stock, ours, fixed = (figures[module] for module in ("stock", "ours", FIXED))
    missed = 0

    def line(what, values, end):
        cells = "".join(f"{'-' if value is None else f'{value:,}':>20}" for value in values)
        print(f"{what:44}{cells}{end}".rstrip())

    titles = "".join(f"{bench.COLUMNS[module].title:>20}" for module in SHOWN)
    print(f"\n{'bytes of heap':44}{titles}{'ours to stock':>15}")
    for what, key, most, *of_tls13 in ROWS:
        # Upstream's always keeps it, and has AES-GCM only.
        theirs = stock.get(key.replace("_lean", ""))
        limits = [("", most if most is None or most >= 1 else int(most * theirs), ours[key])]
        limits += [("TLS 1.3 ", limit, figures["ours-1.3"][key]) for limit in of_tls13]
        said = []
        for whose, limit, value in limits:
            if limit is not None:
                missed += value > limit
                said.append(verdict(value <= limit, f"{whose}<= {limit:,}"))
        ratio = f"{ours[key] / theirs:>15.3f}" if theirs else f"{'':>15}"
        values = [theirs, *(figures[module].get(key) for module in SHOWN[1:])]
        line(what, values, f"{ratio}  {'; '.join(said)}")
    enough = ours["crowd"] >= CROWD_AT_LEAST
    missed += not enough
    crowds = [figures[module]["crowd"] for module in SHOWN]
    line("idle clients in 32 KB", crowds, f"{'':>15}  {verdict(enough, f'>= {CROWD_AT_LEAST}')}")
    print(f"\n{'instructions for a record, both ends':44}{'fixed':>10}{'ours':>10}{'speed':>8}")
    for size in (16, 256, 1024, 4096):
        key = f"record_{size}"
        speed = fixed[key] / ours[key]
        said = ""
        if key in SPEED_AT_LEAST:
            missed += speed < SPEED_AT_LEAST[key]
            said = verdict(speed >= SPEED_AT_LEAST[key], f">= {SPEED_AT_LEAST[key]}")
        print(
            f"{f'{size} bytes':44}{fixed[key]:>10,}{ours[key]:>10,}{speed:>8.3f}  {said}".rstrip()
        )
    return missed


def draw(figures):
    bars = (("stock", "upstream's module", "#8b949e"), ("ours", "this module", "#2da44e"))
    groups = (
        ("idle, a server's", "gcm_server_idle"),
        ("most in a verified handshake, a client's", "gcm_client_peak"),
        ("most in it, a server's", "gcm_server_peak"),
        ("idle, a DTLS server's", "gcm_dtls_server_idle"),
    )
    shown = [
        (title, [figures[module][key] for module, _, _ in bars], "{:,}".format)
        for title, key in groups
    ]
    asleep = next(row for row in figures["hibernation"] if row["what"] == "TLS")
    idle = figures["stock"]["gcm_server_idle"]
    shown.insert(1, ("hibernated, a server's", [idle, asleep["server_hibernated"]], "{:,}".format))
    CHART.write_text(chart.draw(shown, TITLE, bars, "ram.py"))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--check", action="store_true", help="fail if a target is missed")
    arguments = parser.parse_args()
    figures, missed = {}, 0
    try:
        for module in (*SHOWN, FIXED):
            print(f"{BOARD}: {module}, two runs", flush=True)
            figures[module], differing = measure(module)
            if differing:
                missed += 1
                print(f"NOT REPEATABLE: {differing}")
        missed += show(figures)
        figures["hibernation"] = json.loads((ROOT / "build/bench-hibernation.json").read_text())
    except (bench.BenchError, qemu.BoardError) as error:
        print(f"bench-ram FAILED: {error}", file=sys.stderr)
        return 2
    print(
        "\nEverything a connection has: the Python object, Rust's and Mbed TLS's memory, in blocks of"
        "\nthe garbage collector's; not its context's. Both ends are on one board over memory, each"
        f"\ncounted by itself; the certificates are P-256, the server's {len(qemu.pki.ec_der)} bytes. TLS 1.2 but"
        "\nfor the column of TLS 1.3, which upstream's module does not have; DTLS is 1.2 there too."
    )
    path = ROOT / "build/bench-ram.json"
    path.write_text(json.dumps(figures, indent=2) + "\n")
    draw(figures)
    print(f"\nwritten: {path}\nwritten: {CHART}")
    return 1 if arguments.check and missed else 0


if __name__ == "__main__":
    sys.exit(main())
