"""Patches of an image, each told by where it starts: how strong their gradients are, and how their pixels vary together."""

import numpy as np

from ._jit import jit


@jit
def strengths(x, starts, first, second):
    """Return for each patch the sum of (x_a - x_b)^2 over its neighbours a and b, told as offsets in the flat image x."""
    found = np.empty(starts.size)
    for k in range(starts.size):
        total = 0.0
        for j in range(first.size):
            difference = x[starts[k] + first[j]] - x[starts[k] + second[j]]
            total += difference * difference
        found[k] = total
    return found


@jit
def covariance(x, starts, offsets):
    """Return the sample covariance of the pixels at these offsets from each start in the flat image x, less their mean."""
    n = offsets.size
    mean, products, patch = np.zeros(n), np.zeros((n, n)), np.empty(n)
    for k in range(starts.size):
        # levels far apart would leave nothing of the differences within patches
        level = 0.0
        for i in range(n):
            patch[i] = x[starts[k] + offsets[i]]
            level += patch[i] / n
        for i in range(n):
            patch[i] -= level
            mean[i] += patch[i]
        for i in range(n):
            for j in range(i + 1):
                products[i, j] += patch[i] * patch[j]
    for i in range(n):
        mean[i] /= starts.size
    for i in range(n):
        for j in range(i + 1):
            products[i, j] = products[j, i] = (products[i, j] - starts.size * mean[i] * mean[j]) / (starts.size - 1)
    return products
