"""Groups given as lists of pixels: copies of an image (channels, pixels) stand group after group in (channels, copies)."""

import numpy as np

from ._jit import jit, jit_sum


@jit
def gather(out, x, indices):
    """out[c, k] = x[c, indices[k]]."""
    for c in range(x.shape[0]):
        row, source = out[c], x[c]
        for k in range(indices.size):
            row[k] = source[indices[k]]


@jit
def scatter(out, p, indices):
    """out[c, indices[k]] += p[c, k]."""
    for c in range(out.shape[0]):
        row, target = p[c], out[c]
        for k in range(indices.size):
            target[indices[k]] += row[k]


@jit
def least_copies(out, p, indices):
    """out = the least of each pixel and the sizes of its copies."""
    for c in range(out.shape[0]):
        row, target = p[c], out[c]
        for k in range(indices.size):
            size = abs(row[k])
            target[indices[k]] = size if size < target[indices[k]] else target[indices[k]]


@jit
def project_l2(p, starts, radii):
    """Scale each group's copies, of all channels together, to a length of at most its radius."""
    zero = p.dtype.type(0)
    for g in range(starts.size - 1):
        square = zero
        for c in range(p.shape[0]):
            for k in range(starts[g], starts[g + 1]):
                square += p[c, k] * p[c, k]
        length = np.sqrt(square)
        if length > radii[g]:
            scale = radii[g] / length
            for c in range(p.shape[0]):
                for k in range(starts[g], starts[g + 1]):
                    p[c, k] *= scale


@jit_sum
def gap_l2(z, p, starts, radii):
    """Sums (radius |z_g| - <p_g, z_g>, radius |z_g|) in float64."""
    gap = 0.0
    value = 0.0
    for g in range(starts.size - 1):
        square = 0.0
        dot = 0.0
        for c in range(p.shape[0]):
            for k in range(starts[g], starts[g + 1]):
                v = np.float64(z[c, k])
                square += v * v
                dot += v * p[c, k]
        length = radii[g] * np.sqrt(square)
        value += length
        gap += length - dot
    return gap, value
