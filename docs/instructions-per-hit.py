#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Draws docs/instructions-per-hit.svg from the table of instructions in README.md."""
from pathlib import Path

SERIES = [  # column of the table, colour, legend
    (2, "#5a6978", "slots in C, upstream"),
    (3, "#ce422b", "slots in Rust"),
]
BAR, GAP, LEFT, WIDTH, TOP = 14, 12, 265, 450, 78

root = Path(__file__).resolve().parent
rows = []
for line in (root.parent / "README.md").read_text().splitlines():
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    if cells[0] in ("x86_64", "arm64") and len(cells) >= 6 and cells[1].startswith("`"):
        rows.append(cells)

scale = WIDTH / max(float(row[2]) for row in rows)
step = len(SERIES) * BAR + GAP
height = TOP + len(rows) * step + 12
out = []


def text(x, y, words, anchor="start", size=13, weight="normal"):
    words = words.replace("&", "&amp;").replace("<", "&lt;")
    out.append(f'<text x="{x}" y="{y}" text-anchor="{anchor}" font-size="{size}" '
               f'font-weight="{weight}">{words}</text>')


def bar(x, y, width, colour):
    out.append(f'<rect x="{x}" y="{y}" width="{width:.1f}" height="{BAR - 2}" fill="{colour}"/>')


text(16, 28, "Instructions per hit of a uprobe (fewer is better)", size=17, weight="bold")
for number, (_, colour, legend) in enumerate(SERIES):
    bar(LEFT + number * 190, 46, BAR, colour)
    text(LEFT + number * 190 + 20, 57, legend)
for number, row in enumerate(rows):
    top = TOP + number * step
    text(LEFT - 10, top + BAR + 3, f"{row[0]}  {row[1].replace('`', '')}", "end")
    for nth, (column, colour, _) in enumerate(SERIES):
        value = float(row[column])
        bar(LEFT, top + nth * BAR, value * scale, colour)
        text(LEFT + value * scale + 6, top + nth * BAR + 11, str(int(value + 0.5)), size=12)

(root / "instructions-per-hit.svg").write_text(
    '<!-- SPDX-License-Identifier: GPL-2.0 -->\n'
    f'<svg xmlns="http://www.w3.org/2000/svg" width="780" height="{height}" '
    f'viewBox="0 0 780 {height}" font-family="sans-serif" fill="#222">\n'
    '<title>Instructions per hit of a uprobe, slots in C and in Rust</title>\n'
    f'<rect width="780" height="{height}" fill="#fff"/>\n' + "\n".join(out) + "\n</svg>\n")
