"""Line plots as SVG, by the standard library alone: log or linear axes, a legend, no more."""
import html
import math

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 720, 360, 70, 20, 40, 50
COLOURS = ("#0b6e4f", "#b3261e", "#5b5f97", "#d98e04", "#444444")


class Axis:
    def __init__(self, values, log, start, end):
        values = [v for v in values if v > 0 or not log] or [1]
        self.log, self.start, self.end = log, start, end
        low, high = min(values), max(values)
        if log:
            self.low = math.floor(math.log10(low))
            self.high = max(math.ceil(math.log10(high)), self.low + 1)
        else:
            self.low, self.high = min(0, low), high or 1

    def at(self, v):
        x = math.log10(max(v, 10.0 ** self.low)) if self.log else v
        return self.start + (x - self.low) / (self.high - self.low) * (self.end - self.start)

    def ticks(self):
        if self.log:
            return [10.0 ** e for e in range(self.low, self.high + 1)]
        step = 10.0 ** math.floor(math.log10((self.high - self.low) or 1))
        while (self.high - self.low) / step < 4:
            step /= 2
        count = int((self.high - self.low) / step + 1e-9)
        return [self.low + i * step for i in range(count + 1)]


def label(v):
    return f"{v:g}" if v < 10000 else f"{v / 1000:g}k" if v < 1e6 else f"{v / 1e6:g}M"


def plot(title, x_title, y_title, series, x_log=False, y_log=True):
    """SVG text; series is {name: [(x, y), ...]}."""
    points = [p for s in series.values() for p in s]
    x = Axis([p[0] for p in points], x_log, LEFT, WIDTH - RIGHT)
    y = Axis([p[1] for p in points], y_log, HEIGHT - BOTTOM, TOP)
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
           'font-family="sans-serif" font-size="11">',
           f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
           f'<text x="{LEFT}" y="18" font-size="14">{html.escape(title)}</text>']
    for t in x.ticks():
        out.append(f'<line x1="{x.at(t):.1f}" y1="{TOP}" x2="{x.at(t):.1f}" '
                   f'y2="{HEIGHT - BOTTOM}" stroke="#e5e5e5"/>'
                   f'<text x="{x.at(t):.1f}" y="{HEIGHT - BOTTOM + 15}" '
                   f'text-anchor="middle">{label(t)}</text>')
    for t in y.ticks():
        out.append(f'<line x1="{LEFT}" y1="{y.at(t):.1f}" x2="{WIDTH - RIGHT}" '
                   f'y2="{y.at(t):.1f}" stroke="#e5e5e5"/>'
                   f'<text x="{LEFT - 6}" y="{y.at(t) + 4:.1f}" '
                   f'text-anchor="end">{label(t)}</text>')
    out.append(f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 12}" '
               f'text-anchor="middle">{html.escape(x_title)}</text>'
               f'<text transform="translate(16 {(TOP + HEIGHT - BOTTOM) / 2}) rotate(-90)" '
               f'text-anchor="middle">{html.escape(y_title)}</text>')
    for i, (name, found) in enumerate(series.items()):
        colour = COLOURS[i % len(COLOURS)]
        path = " ".join(f"{x.at(a):.1f},{y.at(b):.1f}" for a, b in found)
        out.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.8"/>')
        out += [f'<circle cx="{x.at(a):.1f}" cy="{y.at(b):.1f}" r="2" fill="{colour}"/>'
                for a, b in found]
        out.append(f'<rect x="{LEFT + 170 * i}" y="25" width="10" height="4" fill="{colour}"/>'
                   f'<text x="{LEFT + 14 + 170 * i}" y="31">{html.escape(name)}</text>')
    return "\n".join(out + ["</svg>", ""])
