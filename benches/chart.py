#!/usr/bin/env python3
"""Draws docs/handshake.svg from what the benches measured: build/bench.json, build/bench-qemu.json.

    chart.py

`make bench` and `make bench-qemu` run it as soon as both files exist. Every number in it comes
from them. The picture has no background, and colours that can be read on white and on black.
"""

import json
import sys
from pathlib import Path
from xml.sax.saxutils import escape

ROOT = Path(__file__).resolve().parent.parent
CHART = ROOT / "docs/handshake.svg"

# Key in the files, what the bar is called, its colour.
BARS = (
    ("stock", "upstream's module", "#8b949e"),
    ("stock-configured", "upstream's, our Mbed TLS options", "#4a90d9"),
    ("ours", "this module", "#2da44e"),
)
TEXT = "#767b82"  # contrast over 4 on both themes' backgrounds
TITLE = "A verified TLS 1.2 handshake, both ends"

WIDTH = 760
BAR_X, BAR_WIDTH, BAR_HEIGHT = 256, 330, 18  # that wide: stock's
LINE, GAP = 24, 14


class ChartError(Exception):
    pass


def load(name):
    try:
        return json.loads((ROOT / "build" / name).read_text())
    except FileNotFoundError:
        raise ChartError(f"build/{name} is missing: make bench and make bench-qemu") from None


def groups(bench, qemu):
    """(title, [the value of each bar], how a value is written)."""

    def values(figures, key):
        return [figures[module][key] for module, _, _ in BARS]

    def instructions(value):
        return f"{value / 1e6:,.0f} M"

    def milliseconds(value):
        return f"{value / 1e3:,.2f} ms"

    try:
        return [
            ("RV32, instructions", values(qemu["VIRT_RV32"], "handshake_median"), instructions),
            (
                "Cortex-M3, instructions",
                values(qemu["MPS2_AN385"], "handshake_median"),
                instructions,
            ),
            (
                f"unix, {bench['machine']}, time",
                values(bench, "handshake_verified_us"),
                milliseconds,
            ),
        ]
    except KeyError as missing:
        raise ChartError(f"the files have no {missing}: measure again, all of it") from None


def text(x, y, words, **attributes):
    more = "".join(f' {name.replace("_", "-")}="{value}"' for name, value in attributes.items())
    return f'<text x="{x}" y="{y}"{more}>{escape(words)}</text>'


def bar(y, name, colour, share, label):
    """One line: name, bar, what it stands for. `share`: of stock's."""
    middle = y + BAR_HEIGHT - 5
    width = max(share * BAR_WIDTH, 1)
    return [
        text(BAR_X - 8, middle, name, text_anchor="end"),
        f'<rect x="{BAR_X}" y="{y}" width="{width:.1f}" height="{BAR_HEIGHT}" rx="2"'
        f' fill="{colour}"/>',
        text(f"{BAR_X + width + 8:.1f}", middle, label),
    ]


def draw(shown, chart_title=TITLE, bars=BARS, maker="chart.py"):
    """The SVG. A group's bars are to the scale of its first."""
    body, said, y = [text(8, 22, chart_title, font_size=16, font_weight="bold")], [], 36
    for title, values, written in shown:
        y += GAP
        body.append(text(8, y + 13, title, font_weight="bold"))
        y += LINE
        parts = []
        for (_, name, colour), value in zip(bars, values):
            share = value / values[0]
            body += bar(y, name, colour, share, f"{written(value)} ({share:.0%})")
            parts.append(f"{name}: {written(value)}")
            y += LINE
        said.append(f"{title} – {'; '.join(parts)}.")
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y + 8}"'
            f' width="{WIDTH}" height="{y + 8}" role="img" font-family="sans-serif"'
            f' font-size="13" fill="{TEXT}">',
            f"<!-- Made by benches/{maker} from what was measured. -->",
            f"<title>{escape(chart_title)}</title>",
            f"<desc>{escape(' '.join(said))}</desc>",
            *body,
            "</svg>",
            "",
        ]
    )


def main():
    if len(sys.argv) > 1:
        print(__doc__, file=sys.stderr)
        return 2
    try:
        CHART.write_text(draw(groups(load("bench.json"), load("bench-qemu.json"))))
    except ChartError as error:
        print(f"chart FAILED: {error}", file=sys.stderr)
        return 1
    print(f"written: {CHART}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
