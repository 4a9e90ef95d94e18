"""Bar charts as SVG, drawn from figures: one bar per server, groups of bars per case."""

from html import escape

WIDTH, BAR, GAP, LEFT, RIGHT, TOP = 760, 16, 14, 150, 110, 44
OURS, PEER, INK, FAINT = "#1f6feb", "#a8b3c1", "#24292f", "#6e7781"


def bars(title, unit, groups, ours, digits=1):
    """`groups` is [(label, [(server, value), …]), …]; shorter bars are better."""
    most = max(value for _, rows in groups for _, value in rows)
    scale = (WIDTH - LEFT - RIGHT) / most if most else 0
    parts, y = [], TOP
    for label, rows in groups:
        parts.append(_text(10, y + 12, label, "start", INK, bold=True))
        y += 20
        for server, value in rows:
            colour = OURS if server in ours else PEER
            length = max(value * scale, 1)
            parts.append(_text(LEFT - 8, y + 12, server, "end", INK))
            parts.append(
                f'<rect x="{LEFT}" y="{y}" width="{length:.1f}" height="{BAR - 2}" fill="{colour}"/>'
            )
            parts.append(_text(LEFT + length + 6, y + 12, _number(value, digits), "start", FAINT))
            y += BAR + 2
        y += GAP
    head = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{y}" '
        f'viewBox="0 0 {WIDTH} {y}" font-family="sans-serif" font-size="12" role="img">',
        f"<title>{escape(title)}</title>",
        f'<rect width="{WIDTH}" height="{y}" fill="#ffffff"/>',
        _text(10, 22, f"{title} ({unit}; shorter is better)", "start", INK, bold=True, size=14),
    ]
    return "\n".join([*head, *parts, "</svg>", ""])


def _text(x, y, text, anchor, colour, bold=False, size=12):
    weight = ' font-weight="bold"' if bold else ""
    return (
        f'<text x="{x:.1f}" y="{y}" text-anchor="{anchor}" fill="{colour}" '
        f'font-size="{size}"{weight}>{escape(text)}</text>'
    )


def _number(value, digits):
    return f"{value:,.0f}" if value >= 1000 else f"{value:.{digits}f}"
