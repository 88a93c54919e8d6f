#!/usr/bin/env python3
"""`make bench-qemu`: this module and upstream's on an emulated board, in exact numbers.

    qemu.py [--board BOARD]... [--check]

Three firmwares from one tree, for one board, with one heap: upstream's module at upstream's
configuration of Mbed TLS, upstream's module at ours, and ours. The second is what ours is
compared with: the first differs in more than the module. Each measurement is made twice and
must come to the same numbers. Prints a table and writes build/bench-qemu.json. With --check,
the exit code is 1 if a target is missed.
"""

import argparse
import json
import os
import statistics
import sys
from pathlib import Path

sys.dont_write_bytecode = True

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
sys.path[:0] = [str(ROOT / "ports/qemu"), str(ROOT / "tests/micropython/support")]

import bench  # noqa: E402
import pki  # noqa: E402
from emulator import MACHINES, Board, BoardError  # noqa: E402

MODULES = ("stock", "stock-configured", "ours")
TITLES = ("stock", "stock, our config", "ours")
FILES = {"ours": bench.OURS_FILES}
RUN_TIMEOUT_S = 600

# What upstream's module at upstream's configuration came to before this module existed: whether
# this measurement can be believed. See qemu_reference.py. Upstream's module allocates a hundred
# thousand times in a handshake, and each allocation searches the heap: what lies there, be it ten
# small objects, moves the count by a tenth. So: from the least to the most of as many heaps.
REFERENCE_BOARD = "VIRT_RV32"
REFERENCE_BALLAST = (0, 10, 20, 40, 80)  # objects
REFERENCE = (("reference_instructions", 605_997_000), ("connection_heap", 22_850))
REFERENCE_WITHIN = 0.02

# (what, key, target): ours at most stock's at our configuration, or that and so much more.
ROWS = [
    ("handshake, verified: instructions", "handshake_median", 0),
    ("    the least in three heaps", "handshake_least", None),
    ("    the most", "handshake_most", None),
    ("handshake, PSK-AES128-CCM8: instructions", "psk_instructions", None),
    ("    Mbed TLS's peak in it", "psk_peak", None),
    ("16 KB to the server: instructions", "to_server_instructions", 0),
    ("16 KB to the client: instructions", "to_client_instructions", 0),
    ("allocations of a verified handshake", "verified_allocations", None),
    ("heap of both contexts", "contexts_heap", None),
    ("heap of an idle client", "client_heap", 0),
    ("heap of an idle server connection", "server_heap", 0),
    ("heap of a connection, mean of both", "connection_heap", 0),
    ("Mbed TLS's peak in the handshake", "verified_peak", None),
    ("text of the firmware", "binary_text", None),
    ("the module's share of it", "share_text", 24 * 1024),
]


def firmware(board, module):
    return ROOT / "build" / f"qemu-bench-{board}-{module}" / "firmware.elf"


def on_board(board, elf, source):
    """What a script prints on a board that was just switched on."""
    with Board(board, elf, count_instructions=True) as machine:
        output, error = machine.run(source, RUN_TIMEOUT_S)
    if error:
        raise bench.BenchError(f"{elf}: {output}{error}")
    return output


def reference_source(ballast):
    tree = Path(os.environ.get("MICROPYTHON_DIR") or ROOT / "build/src/micropython")
    certs = tree / "tests/multi_net"
    source = f"BALLAST = [bytearray(40) for _ in range({ballast})]\n"
    source += "".join(
        f"{name} = {(certs / file).read_bytes()!r}\n"
        for name, file in (("CERT", "ec_cert.der"), ("KEY", "ec_key.der"))
    )
    return source + (HERE / "qemu_reference.py").read_text()


def measure(board, module):
    elf = firmware(board, module)
    if not elf.exists():
        raise bench.BenchError(f"{elf.relative_to(ROOT)} is missing: make bench-qemu builds it")
    names = ("ca", "ec", "ec_key")
    source = "".join(f"{name.upper()} = {getattr(pki, name + '_der')!r}\n" for name in names)
    source += (HERE / "memory_link.py").read_text() + (HERE / "qemu_pair.py").read_text()
    runs = [json.loads(on_board(board, elf, source)) for _ in range(2)]
    differing = {key: [run[key] for run in runs] for key in runs[0] if runs[0][key] != runs[1][key]}
    figures = runs[0]
    if board == REFERENCE_BOARD:
        counts = [
            int(on_board(board, elf, reference_source(ballast))) for ballast in REFERENCE_BALLAST
        ]
        figures["reference_instructions"] = counts
    instructions = [figures[f"{heap}_instructions"] for heap in ("heap_0", "heap_200", "heap_400")]
    figures["handshake_least"] = min(instructions)
    figures["handshake_median"] = statistics.median(instructions)
    figures["handshake_most"] = max(instructions)
    figures["connection_heap"] = (figures["client_heap"] + figures["server_heap"]) // 2
    figures.update(bench.section_sizes(elf))
    share = bench.share_of_map(elf.with_suffix(".map"), FILES.get(module, bench.STOCK_FILES))
    figures["share"] = share
    figures["share_text"] = share[".text"] + share[".rodata"] + share[".eh_frame"]
    return figures, differing


def show(board, figures):
    """Prints the table; (rows for the JSON file, number of targets missed)."""
    rows, missed = [], 0
    columns = "".join(f"{title:>20}" for title in TITLES)
    print(f"\n{board:40}{columns}  ours/config  target")
    for what, key, more in ROWS:
        values = [figures[module].get(key) for module in MODULES]
        _, stock, ours = values
        if stock is None:  # only this module can
            print(f"{what:40}{'-':>20}{'-':>20}{ours:>20,}")
            rows.append({"what": what, "key": key})
            continue
        met = None if more is None else ours <= stock + more
        missed += met is False
        wanted = ""
        if met is not None:
            wanted = f"<= {f'+{more:,}' if more else '1.00'}: {'met' if met else 'MISSED'}"
        cells = "".join(f"{value:>20,}" for value in values)
        print(f"{what:40}{cells}{ours / stock:>13.3f}  {wanted}")
        rows.append({"what": what, "key": key, "ratio": ours / stock, "met": met})
    return rows, missed


def reference(figures):
    """Compares stock with what was known; how many figures are off."""
    off = 0
    for key, known in REFERENCE:
        counts = figures["stock"][key]
        counts = counts if isinstance(counts, list) else [counts]
        least, most = min(counts), max(counts)
        agrees = least * (1 - REFERENCE_WITHIN) <= known <= most * (1 + REFERENCE_WITHIN)
        off += not agrees
        found = f"{least:,}" + (f" to {most:,} in {len(counts)} heaps" if len(counts) > 1 else "")
        print(
            f"stock's {key}: {found}, known {known:,}: {'agrees' if agrees else 'DOES NOT AGREE'}"
        )
    return off


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--board", action="append", choices=list(MACHINES))
    parser.add_argument("--check", action="store_true", help="fail if a target is missed")
    arguments = parser.parse_args()
    report, missed = {}, 0
    try:
        for board in arguments.board or MACHINES:
            figures = {}
            for module in MODULES:
                print(f"{board}: {module}, two runs", flush=True)
                figures[module], differing = measure(board, module)
                if differing:
                    missed += 1
                    print(f"NOT REPEATABLE: {differing}")
            rows, some = show(board, figures)
            missed += some
            if board == REFERENCE_BOARD:
                missed += reference(figures)
            report[board] = {**figures, "rows": rows}
    except (bench.BenchError, BoardError) as error:
        print(f"bench-qemu FAILED: {error}", file=sys.stderr)
        return 2
    print(
        "\nP-256, ECDHE-ECDSA-AES256-GCM, TLS 1.2, both ends on one board over memory; instructions"
        "\nare of both ends and the Python between them, on MPS2_AN385 to forty, of a handshake in three"
        "\nheaps occupied differently: each allocation searches one. Heap is the garbage"
        "\ncollector's, of which Mbed TLS's memory is part. 16 KB are four records: 4096 bytes is the"
        "\noutgoing buffer of upstream's configuration. Text is the first column of `size`; the share"
        "\nis what the linker map says of the Rust archive and the C glue (stock: modtls_mbedtls.o)."
    )
    path = ROOT / "build/bench-qemu.json"
    path.write_text(json.dumps(report, indent=2) + "\n")
    print(f"\nwritten: {path}")
    return 1 if arguments.check and missed else 0


if __name__ == "__main__":
    sys.exit(main())
