# SPDX-License-Identifier: Apache-2.0
"""Do counts follow given weights? Pearson's chi-square test."""
import math


def upper_tail(statistic, freedom):
    """P(X >= statistic) for a chi-square distribution: the regularised gamma function Q(a, x)."""
    a, x = freedom / 2, statistic / 2
    if x <= 0:
        return 1.0
    scale = math.exp(-x + a * math.log(x) - math.lgamma(a))
    if x < a + 1:
        # series of the lower function
        term = total = 1 / a
        n = a
        while term > total * 1e-16:
            n += 1
            term *= x / n
            total += term
        return max(0.0, 1 - total * scale)
    # Lentz's continued fraction of the upper function
    b = x + 1 - a
    c, d = 1e300, 1 / b
    fraction = d
    for i in range(1, 10000):
        factor = -i * (i - a)
        b += 2
        d = 1 / (factor * d + b)
        c = b + factor / c
        fraction *= d * c
        if abs(d * c - 1) < 1e-15:
            break
    return fraction * scale


def chi_square(counts, weights):
    """(statistic, probability) of these counts under weights; both are mappings by name. What has
    no weight must not occur, and does not count as a degree of freedom."""
    expected = {name: weight for name, weight in weights.items() if weight}
    strangers = {name: count for name, count in counts.items() if count and name not in expected}
    assert not strangers, "without a weight, but chosen: %s" % strangers
    calls, parts = sum(counts.values()), sum(expected.values())
    statistic = 0.0
    for name, weight in expected.items():
        mean = calls * weight / parts
        statistic += float((counts.get(name, 0) - mean) ** 2 / mean)
    if len(expected) < 2:
        return 0.0, 1.0
    return statistic, upper_tail(statistic, len(expected) - 1)
