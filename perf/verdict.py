"""Figures against their bars, and against figures of before. Pure functions."""

import statistics

# `scripts/bench --check` fails beyond this.
WORSE_ALLOWED = 0.15
# What two builds of one source differ by, as a few rounds cannot show.
LEAST_NOISE = 0.01


def bar_of(row, figures):
    """The row's bar in its unit; None if it has none, or one that depends on a row without figure."""
    if row.times is None:
        return row.bar
    other = figures.get(row.times)
    return None if other is None else row.bar * other.value


def is_met(row, value, bar):
    return value >= bar if row.higher_is_better else value <= bar


def verdict(row, figures):
    """`met`, `short by X%`, or what is missing; `` for a row without bar."""
    figure = figures.get(row.name)
    if figure is None:
        return "not measured"
    if row.bar is None:
        return ""
    bar = bar_of(row, figures)
    if bar is None:
        return f"{row.times} not measured"
    if is_met(row, figure.value, bar):
        return "met"
    short = abs(figure.value - bar)
    if bar == 0:
        return f"short by {short:.3g} {row.unit}"
    percent = 100 * short / abs(bar)
    return f"short by {percent:.0f}%" if percent >= 1 else f"short by {percent:.2g}%"


def cost(figure):
    """What is compared over time: net to floor, so that a faster or slower machine matters less."""
    return figure.value / figure.floor if figure.floor else figure.value


def worse_by(row, before, after):
    """How much worse `after` is, as a part of `before`; negative: better. Percentages are compared by
    their difference: 99.9% and 85.0% differ by 15%."""
    if row.unit == "percent":
        change = (after.value - before.value) / 100
    else:
        old = cost(before)
        change = (cost(after) - old) / abs(old) if old else 0.0
    return -change if row.higher_is_better else change


def is_regression(row, before, after):
    """Percentages fail when they no longer meet a bar that they have met: 15% is too coarse for them."""
    if row.unit == "percent":
        bar = row.bar if row.times is None else None
        return bar is not None and is_met(row, before.value, bar) and not is_met(row, after.value, bar)
    return worse_by(row, before, after) > WORSE_ALLOWED


def better_of(row, first, second):
    """Of two measurements of one row on one machine."""
    return second if worse_by(row, first, second) < 0 else first


def ratio_and_noise(pairs):
    """Of [(Figure before, Figure after)], one a round: the median of the rounds' ratios after/before, and
    how far it may be off: as far as a round is from it, or the spread of a round's runs over the root
    of the rounds (runs of one round are slow together), or LEAST_NOISE, whichever is most. None if a
    figure is 0."""
    if any(before.value == 0 for before, _ in pairs):
        return None
    ratios = [after.value / before.value for before, after in pairs]
    spread = statistics.mean(max(before.spread(), after.spread()) for before, after in pairs)
    middle = statistics.median(ratios)
    return middle, max(max(abs(ratio - middle) for ratio in ratios), middle * spread / len(pairs) ** 0.5, LEAST_NOISE)


def change(row, ratio, noise):
    """`better`, `worse` or `same`, which is all that is nearer to 1 than the noise."""
    if abs(ratio - 1) <= noise:
        return "same"
    return "better" if (ratio > 1) == row.higher_is_better else "worse"
