#!/usr/bin/env python3
"""What one waking of a sensor costs, on an emulated RV32 board: a full handshake, a resumed session, the connection of
the last waking, beside upstream's module.

    wakeup.py

Wants what `make bench-qemu` builds. Prints a table, writes build/bench-wakeup.json, and draws docs/wakeup.svg.
"""

import json
import sys

sys.dont_write_bytecode = True

import chart  # noqa: E402
import qemu  # noqa: E402
from qemu import ROOT  # noqa: E402

BOARD = "VIRT_RV32"
CHART = ROOT / "docs/wakeup.svg"
# What the bar is called, the build, how, the version, its colour.
WAKINGS = (
    ("upstream's module", "stock", "full", "TLSv1.2", "#8b949e"),
    ("upstream's, our Mbed TLS options", "stock-configured", "full", "TLSv1.2", "#4a90d9"),
    ("this module, full handshake", "ours-tls13", "full", "TLSv1.2", "#8fd19e"),
    ("resumed, TLS 1.3", "ours-tls13", "resumed", "TLSv1.3", "#57ab5a"),
    ("resumed, TLS 1.2", "ours-tls13", "resumed", "TLSv1.2", "#57ab5a"),
    ("the connection restored", "ours-tls13", "restored", "TLSv1.2", "#2da44e"),
)
FIGURES = (
    ("The device's instructions", "instructions", lambda value: f"{value / 1e6:,.2f} M"),
    ("Bytes of TLS, both ways", "bytes", lambda value: f"{value:,}"),
    ("Times that it waits for its peer before its data is out", "round_trips", str),
)


def measure(build, how, version):
    elf = qemu.firmware(BOARD, build)
    given = {"HOW": how, "VERSION": version, **qemu.SINGLE}
    one, other = (json.loads(qemu.on_board(BOARD, elf, qemu.script(given, "qemu_wakeup.py"))) for _ in range(2))
    # The date of a ticket is the machine's, whose digits a few instructions depend on.
    differ = abs(one["instructions"] - other["instructions"])
    if differ > 100 or {**one, "instructions": 0} != {**other, "instructions": 0}:
        raise SystemExit(f"{build}, {how}: two runs differ: {one}, {other}")
    return one


def main():
    rows = []
    print(f"{'':36}{'instructions':>14}{'bytes':>8}{'waits':>7}{'kept':>7}")
    for name, build, how, version, _ in WAKINGS:
        row = {"name": name, **measure(build, how, version)}
        rows.append(row)
        print(f"{name:36}{row['instructions']:14,}{row['bytes']:8,}{row['round_trips']:7}{row['kept']:7}")
    (ROOT / "build/bench-wakeup.json").write_text(json.dumps(rows, indent=1) + "\n")
    shown = [(title, [row[key] for row in rows], written) for title, key, written in FIGURES]
    bars = [("", name, colour) for name, *_, colour in WAKINGS]
    CHART.write_text(chart.draw(shown, "One waking of a sensor that says forty bytes", bars, "wakeup.py"))
    print(f"written: {CHART}")


if __name__ == "__main__":
    main()
