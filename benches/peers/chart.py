"""Bar charts as SVG, drawn from figures: one bar per server, groups of bars per case."""

from html import escape

WIDTH, BAR, GAP, LEFT, RIGHT, TOP = 760, 16, 14, 150, 110, 44
LIGHT = {"ground": "#ffffff", "ours": "#1f6feb", "peer": "#a8b3c1", "ink": "#24292f", "faint": "#6e7781"}
DARK = {"ground": "#0d1117", "ours": "#4493f8", "peer": "#57606a", "ink": "#e6edf3", "faint": "#9198a1"}


def bars(title, unit, groups, ours, digits=1, colours=LIGHT):
    """`groups` is [(label, [(server, value), …]), …]; shorter bars are better."""
    ground, ink, faint = (colours[name] for name in ("ground", "ink", "faint"))
    most = max(value for _, rows in groups for _, value in rows)
    scale = (WIDTH - LEFT - RIGHT) / most if most else 0
    parts, y = [], TOP
    for label, rows in groups:
        parts.append(_text(10, y + 12, label, "start", ink, bold=True))
        y += 20
        for server, value in rows:
            colour = colours["ours" if server in ours else "peer"]
            length = max(value * scale, 1)
            parts.append(_text(LEFT - 8, y + 12, server, "end", ink))
            parts.append(
                f'<rect x="{LEFT}" y="{y}" width="{length:.1f}" height="{BAR - 2}" fill="{colour}"/>'
            )
            parts.append(_text(LEFT + length + 6, y + 12, _number(value, digits), "start", faint))
            y += BAR + 2
        y += GAP
    head = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{y}" '
        f'viewBox="0 0 {WIDTH} {y}" font-family="sans-serif" font-size="12" role="img">',
        f"<title>{escape(title)}</title>",
        f'<rect width="{WIDTH}" height="{y}" fill="{ground}"/>',
        _text(10, 22, f"{title} ({unit}; shorter is better)", "start", ink, bold=True, size=14),
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
