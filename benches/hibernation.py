#!/usr/bin/env python3
"""What a hibernated connection takes, and what waking it costs, on an emulated RV32 board.

    hibernation.py [--board BOARD] [--elf FIRMWARE]

Prints a table and writes build/bench-hibernation.json: per suite, for streams of TLS 1.2 and 1.3 and
for datagrams, bytes awake and asleep with all that is the connection's (the SSLSocket object, Rust, Mbed TLS), how many
that sleep 32 KB hold, and the instructions of falling asleep and waking. Each connection in the
last count is made, put to sleep, woken and used.
"""

import argparse
import json
import sys
from pathlib import Path

import qemu
from qemu import ROOT, bench

sys.dont_write_bytecode = True

SUITES = {
    "AES-128-GCM": "TLS-ECDHE-ECDSA-WITH-AES-128-GCM-SHA256",
    "AES-256-GCM": "TLS-ECDHE-ECDSA-WITH-AES-256-GCM-SHA384",
    "AES-128-CCM-8": "TLS-ECDHE-ECDSA-WITH-AES-128-CCM-8",
    "CHACHA20": "TLS-ECDHE-ECDSA-WITH-CHACHA20-POLY1305-SHA256",
}
# (what, of which build and version, datagrams, length of Connection IDs, whether the server's
# certificate is kept)
KINDS = [
    ("TLS", "ours", False, None, False),
    ("TLS, certificate kept", "ours", False, None, True),
    ("TLS 1.2 beside 1.3", "ours-1.2", False, None, False),
    ("TLS 1.3", "ours-1.3", False, None, False),
    ("DTLS", "ours", True, None, False),
    ("DTLS, IDs of 8 bytes", "ours", True, 8, False),
]
# Bytes of a connection that sleeps, with a stream and with datagrams; instructions of sleeping and
# waking with AES-GCM; connections in 32 KB.
ASLEEP_AT_MOST, DATAGRAM_MORE = 320, 16
# TLS 1.3 keeps the secrets of both sides, as long as the hash is.
SHA_384_MORE = 64
INSTRUCTIONS_AT_MOST = 60_000
# Of a connection out of the bytes of another life, in the clear and under a key, beside its settings' digest, which
# a context makes once.
RESTORE_AT_MOST = {"clear": 60_000, "sealed": 150_000}
STATE_AT_MOST = {"ours": 350, "ours-1.2": 350, "ours-1.3": 450}
CROWD_AT_LEAST = 80


def source(suite, version, datagram, cid, keep):
    given = {
        "VERSION": version,
        "SUITE_NAME": suite,
        "DATAGRAM": datagram,
        "CID": cid,
        "KEEP_CERT": keep,
        "PROTOCOLS": (2, 3) if datagram else (0, 1),
        **qemu.SINGLE,
    }
    return qemu.script(given, "qemu_hibernation.py")


def measure(arguments, suite, module, *given):
    elf = arguments.elf or qemu.firmware(arguments.board, module)
    try:
        script = source(suite, qemu.version(module), *given)
        return json.loads(qemu.on_board(arguments.board, elf, script))
    except bench.BenchError as error:
        raise SystemExit(str(error)) from None


def judged(figures, suite, module, datagram):
    """What of the targets is missed; those of the row with a certificate are its own."""
    missed = []
    most = ASLEEP_AT_MOST + (DATAGRAM_MORE if datagram else 0)
    most += SHA_384_MORE if (module, suite) == ("ours-1.3", "AES-256-GCM") else 0
    if max(figures["client_hibernated"], figures["server_hibernated"]) > most:
        missed.append(f"<= {most} bytes")
    both = max(figures["client_wake_and_sleep"], figures["server_wake_and_sleep"])
    if "GCM" in suite and both > INSTRUCTIONS_AT_MOST:
        missed.append(f"<= {INSTRUCTIONS_AT_MOST:,} instructions")
    if figures["in_32_kb"] < CROWD_AT_LEAST:
        missed.append(f">= {CROWD_AT_LEAST} in 32 KB")
    return f"  MISSED: {', '.join(missed)}" if missed else f"  <= {most} bytes: met"


def restorings(rows):
    """Prints the second table."""
    print()
    titles = ("bytes, under a key", "export, clear", "sealed", "restore, clear", "sealed", "with the digest")
    print(f"{'client / server':36}" + "".join(f"{title:>19}" for title in titles))
    for row in rows:
        keys = ("state_sealed", "export_clear", "export_sealed", "restore_clear", "restore_sealed", "restore_first")
        cells = [f"{row['client_' + key]:,} / {row['server_' + key]:,}" for key in keys]
        missed = [
            f"<= {most:,} instructions"
            for how, most in RESTORE_AT_MOST.items()
            if max(row[f"client_restore_{how}"], row[f"server_restore_{how}"]) > most
        ]
        if max(row["client_state_sealed"], row["server_state_sealed"]) > STATE_AT_MOST[row["module"]]:
            missed.append(f"<= {STATE_AT_MOST[row['module']]} bytes")
        # With a certificate it is as long as that is.
        verdict = "" if "kept" in row["what"] else f"  MISSED: {', '.join(missed)}" if missed else "  met"
        print(f"{row['suite'] + ', ' + row['what']:36}" + "".join(f"{cell:>19}" for cell in cells) + verdict)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--board", default="VIRT_RV32", choices=sorted(qemu.MACHINES))
    parser.add_argument("--elf", type=Path, help="with TLS 1.3; default: what make bench-ram built")
    arguments = parser.parse_args()
    titles = ("awake", "asleep", "in 32 KB", "sleep", "wake", "both")
    print(f"{'client / server':36}" + "".join(f"{title:>19}" for title in titles))
    rows = []
    for suite, name in SUITES.items():
        for what, module, *given in KINDS:
            figures = measure(arguments, name, module, *given)
            rows.append({"suite": suite, "what": what, "module": module, **figures})

            def both(key):
                return f"{figures['client_' + key]:,} / {figures['server_' + key]:,}"

            for end in ("client", "server"):
                figures[end + "_wake"] = (
                    figures[end + "_write_asleep"] - figures[end + "_write_awake"]
                )
            cells = [both("awake"), both("hibernated"), str(figures["in_32_kb"])]
            cells += [both("sleep"), both("wake"), both("wake_and_sleep")]
            verdict = "" if given[-1] else judged(figures, suite, module, given[0])
            print(
                f"{suite + ', ' + what:36}" + "".join(f"{cell:>19}" for cell in cells) + verdict
            )
    restorings(rows)
    (ROOT / "build/bench-hibernation.json").write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
