#!/usr/bin/env python3
"""`make bench-qemu`: this module and upstream's on an emulated board, in exact numbers.

    qemu.py [--board BOARD]... [--check]

Firmwares from one tree, for one board, with one heap: upstream's module at upstream's
configuration of Mbed TLS, upstream's module at ours, and ours; so that nobody takes configuration
for code. Ours with TLS 1.3 compiled in too, at either version. On one board ours at upstream's configuration too, and both modules with ESP-IDF's defaults
for curves, without hardware. Each measurement is made twice
and must come to the same numbers. Prints a table and writes build/bench-qemu.json. With --check,
the exit code is 1 if a target is missed.
"""

import argparse
import base64
import json
import os
import statistics
import sys
from pathlib import Path
from typing import NamedTuple

sys.dont_write_bytecode = True

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
sys.path[:0] = [str(ROOT / "ports/qemu"), str(ROOT / "tests/micropython/support")]

import bench  # noqa: E402
import pki  # noqa: E402
from emulator import MACHINES, Board, BoardError  # noqa: E402

RUN_TIMEOUT_S = 600

# What upstream's module at upstream's configuration came to before this module existed: whether
# this measurement can be believed. See qemu_reference.py. Upstream's module allocates a hundred
# thousand times in a handshake, and each allocation searches the heap: what lies there, be it ten
# small objects, moves the count by a tenth. So: from the least to the most of as many heaps.
REFERENCE_BOARD = "VIRT_RV32"
REFERENCE_BALLAST = (0, 10, 20, 40, 80)  # objects
REFERENCE = (("reference_instructions", 605_997_000), ("connection_heap", 22_850))
REFERENCE_WITHIN = 0.02

# The same handshake by this module at that configuration: what the code alone is worth.
UNCONFIGURED = "ours-unconfigured"
UNCONFIGURED_AT_MOST = 58_000_000
# And with ESP-IDF's defaults for curves.
IDF = ("stock-idf", "ours-idf")
IDF_AT_MOST = 56_000_000


class Target(NamedTuple):
    """One column's figure at most `factor` times another's, and `more`; on one board, or all."""

    factor: float = 1.0
    than: str = "stock-configured"
    more: int = 0
    board: str = ""
    of: str = "ours"

    def is_met(self, figures, key):
        return figures[self.of][key] <= self.factor * figures[self.than][key] + self.more

    def __str__(self):
        name = "config" if self.than == "stock-configured" else self.than
        parts = [f"{self.factor:.2f} {name}" if self.factor != 1 else name] * (self.factor != 0)
        parts += [f"{self.more:,}"] * (self.more != 0)
        of = "" if self.of == "ours" else f"{bench.COLUMNS[self.of].title} "
        return f"{of}<= {' + '.join(parts)}"


def at_most(most, of):
    """A figure that is compared with no other."""
    return Target(0, more=most, of=of)


# (what, key, targets)
ROWS = [
    ("handshake, verified: instructions", "handshake_median",
     Target(), Target(0.15, "stock", board="MPS2_AN385")),
    ("    the least in three heaps", "handshake_least"),
    ("    the most", "handshake_most"),
    ("the same, AES-128-GCM", "aes_128_median", Target(1.03, "ours", of="ours-1.3", board="VIRT_RV32")),
    ("the same, chain of 2 certificates", "chain_median", Target(0.12, "stock")),
    ("handshake, PSK-AES128-CCM8: instructions", "psk_instructions"),
    ("    Mbed TLS's peak in it", "psk_peak"),
    ("16 KB to the server: instructions", "to_server_instructions", Target()),
    ("16 KB to the client: instructions", "to_client_instructions", Target()),
    ("AES-128-GCM, both ends: instr. a byte", "aes_128_per_byte", Target(0.65, "stock")),
    ("a client's SSLContext(): instructions", "client_context_instructions"),
    ("a server's", "server_context_instructions"),
    ("allocations of a verified handshake", "verified_allocations"),
    ("stack of it, below its caller's", "verified_stack"),
    ("heap of both contexts", "contexts_heap"),
    ("heap of an idle client", "client_heap", Target()),
    ("heap of an idle server connection", "server_heap", Target()),
    ("heap of a connection, mean of both", "connection_heap", Target()),
    ("Mbed TLS's peak in the handshake", "verified_peak",
     at_most(12_000, "ours-1.2"), at_most(13_000, "ours-1.3")),
    ("text of the firmware", "binary_text", Target(1, "ours", 34_000, "VIRT_RV32", "ours-1.3")),
    ("the module's share of it", "share_text", Target(more=24 * 1024)),
]  # fmt: skip


def firmware(board, module):
    build = bench.COLUMNS[module].build if module in bench.COLUMNS else module
    return ROOT / "build" / f"qemu-bench-{board}-{build}" / "firmware.elf"


def version(module):
    return bench.COLUMNS[module].version if module in bench.COLUMNS else "TLSv1.2"


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


def der(pem):
    return base64.b64decode("".join(pem.splitlines()[1:-1]))


SINGLE = {"CA": pki.ca_der, "EC": pki.ec_der, "EC_KEY": pki.ec_key_der}
CHAIN = {
    "CA": pki.ca_der,
    "LEAF": der(pki.leaf_pem),
    "INTERMEDIATE": der(pki.intermediate_pem),
    "LEAF_KEY": der(pki.leaf_key),
    "CHAIN_PEM": (pki.leaf_pem + pki.intermediate_pem).encode(),
}
# What qemu_pair.py measures, each on a board just switched on -> the credentials it needs.
MEASUREMENTS = {"pair": SINGLE, "records": SINGLE, "chain": CHAIN}


def script(given, measurement):
    """What is sent to a board: names and their values, the link, what measures over it."""
    lines = "".join(f"{name} = {value!r}\n" for name, value in given.items())
    return lines + (HERE / "memory_link.py").read_text() + (HERE / measurement).read_text()


def pair_source(what, module):
    return script({"WHAT": what, "VERSION": version(module), **MEASUREMENTS[what]}, "qemu_pair.py")


def reference_counts(board, elf):
    return [int(on_board(board, elf, reference_source(ballast))) for ballast in REFERENCE_BALLAST]


def measure(board, module):
    elf = firmware(board, module)
    if not elf.exists():
        raise bench.BenchError(f"{elf.relative_to(ROOT)} is missing: make bench-qemu builds it")
    figures, differing = {}, {}
    for what in MEASUREMENTS:
        if what == "chain" and module == UNCONFIGURED:
            continue  # without PEM a chain is one certificate
        one, other = (json.loads(on_board(board, elf, pair_source(what, module))) for _ in range(2))
        differing.update({key: [one[key], other[key]] for key in one if one[key] != other[key]})
        prefix = "chain_" if what == "chain" else ""
        figures.update({prefix + key: value for key, value in one.items()})
    if board == REFERENCE_BOARD and module in ("stock", UNCONFIGURED):
        figures["reference_instructions"] = reference_counts(board, elf)
    for name, prefix in (("handshake", ""), ("chain", "chain_"), ("aes_128", "aes_128_")):
        heaps = [figures.get(f"{prefix}heap_{heap}_instructions") for heap in (0, 200, 400)]
        if None not in heaps:
            figures[f"{name}_least"] = min(heaps)
            figures[f"{name}_median"] = statistics.median(heaps)
            figures[f"{name}_most"] = max(heaps)
    both_ways = [figures[f"aes_128_to_{end}_instructions"] for end in ("server", "client")]
    figures["aes_128_per_byte"] = sum(both_ways) / (2 * 16384)
    figures["connection_heap"] = (figures["client_heap"] + figures["server_heap"]) // 2
    figures.update(bench.section_sizes(elf))
    files = bench.OURS_FILES if module.startswith("ours") else bench.STOCK_FILES
    share = bench.share_of_map(elf.with_suffix(".map"), files)
    figures["share"] = share
    figures["share_text"] = share[".text"] + share[".rodata"] + share[".eh_frame"]
    return figures, differing


def show(board, figures):
    """Prints the table; (rows for the JSON file, number of targets missed)."""
    rows, missed = [], 0
    columns = "".join(f"{title:>19}" for title, *_ in bench.COLUMNS.values())
    print(f"\n{board:40}{columns}{'to stock':>11}{'to config':>11}  target")
    for what, key, *targets in ROWS:
        values = [figures[module].get(key) for module in bench.COLUMNS]
        stock, configured, ours, *_ = values
        cells = "".join(f"{'-' if value is None else bench.number(value):>19}" for value in values)
        if stock is None:  # only this module can
            print(f"{what:40}{cells}")
            rows.append({"what": what, "key": key})
            continue
        wanted = []
        for target in targets:
            if target.board in ("", board):
                met = target.is_met(figures, key)
                missed += not met
                wanted.append({"target": str(target), "met": met})
        verdict = "; ".join(f"{w['target']}: {'met' if w['met'] else 'MISSED'}" for w in wanted)
        print(
            f"{what:40}{cells}{ours / stock:>11.3f}{ours / configured:>11.3f}  {verdict}".rstrip()
        )
        rows.append({"what": what, "key": key, "ratio": ours / stock,
                     "ratio_to_configured": ours / configured, "targets": wanted})  # fmt: skip
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


def unconfigured(figures):
    """Shows what this module comes to at upstream's configuration; whether its target is missed."""
    ours = figures[UNCONFIGURED]
    counts = ours["reference_instructions"]
    met = max(counts) <= UNCONFIGURED_AT_MOST
    print(
        f"ours at upstream's configuration, the same handshake: {min(counts):,} to {max(counts):,} in"
        f" {len(counts)} heaps; <= {UNCONFIGURED_AT_MOST:,}: {'met' if met else 'MISSED'}\n"
        f"    verified (upstream's module: {figures['stock']['handshake_median']:,}):"
        f" {ours['handshake_median']:,} in the median of three heaps,"
        f" {ours['handshake_least']:,} to {ours['handshake_most']:,}"
    )
    return not met


def idf(board, report):
    """Both modules with ESP-IDF's defaults; whether the target is missed."""
    for module in IDF:
        print(f"{board}: {module}", flush=True)
        counts = reference_counts(board, firmware(board, module))
        report[module] = {"reference_instructions": counts}
    stock, ours = (report[module]["reference_instructions"] for module in IDF)
    met = max(ours) <= IDF_AT_MOST
    print(
        f"with ESP-IDF's defaults for curves, the same handshake: {min(ours):,} to {max(ours):,};"
        f" <= {IDF_AT_MOST:,}: {'met' if met else 'MISSED'}\n"
        f"    upstream's module: {min(stock):,} to {max(stock):,}"
    )
    return not met


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--board", action="append", choices=list(MACHINES))
    parser.add_argument("--check", action="store_true", help="fail if a target is missed")
    arguments = parser.parse_args()
    report, missed = {}, 0
    try:
        for board in arguments.board or MACHINES:
            figures = {}
            for module in [*bench.COLUMNS, *([UNCONFIGURED] if board == REFERENCE_BOARD else [])]:
                print(f"{board}: {module}, two runs", flush=True)
                figures[module], differing = measure(board, module)
                if differing:
                    missed += 1
                    print(f"NOT REPEATABLE: {differing}")
            rows, some = show(board, figures)
            missed += some
            if board == REFERENCE_BOARD:
                missed += reference(figures)
                missed += unconfigured(figures)
                missed += idf(board, figures)
            report[board] = {**figures, "rows": rows}
    except (bench.BenchError, BoardError) as error:
        print(f"bench-qemu FAILED: {error}", file=sys.stderr)
        return 2
    print(
        "\nP-256, AES-256-GCM if not said, TLS 1.2 but for the last column, both ends on one board over"
        "\nmemory. The last two columns are one firmware: upstream's module has no TLS 1.3, where a"
        "\npre-shared key comes with ECDHE. Ratios are of the third column."
        "\nInstructions are of both ends and the Python between them, on MPS2_AN385 to forty, of a"
        "\nhandshake in three heaps occupied differently: each allocation searches one. Heap is the"
        "\ngarbage collector's, of which Mbed TLS's memory is part. 16 KB are four records: 4096 bytes"
        "\nis the outgoing buffer of upstream's configuration. Text is the first column of `size`; the"
        "\nshare is what the linker map says of the Rust archive and the C glue (stock:"
        "\nmodtls_mbedtls.o)."
    )
    path = ROOT / "build/bench-qemu.json"
    path.write_text(json.dumps(report, indent=2) + "\n")
    print(f"\nwritten: {path}")
    return 1 if arguments.check and missed else 0


if __name__ == "__main__":
    sys.exit(main())
