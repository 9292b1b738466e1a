"""How an image is cut: blocks that tile it, colours that are apart, groups that are whole in a region."""

import itertools

import numpy as np
import pytest

from proxsparse import (
    OverlappingGroupLasso,
)
from proxsparse.blocks.partition import Cut, Part

GRIDS = [[(1, 1)], [(2, 1)], [(3, 1)], [(3, 3)], [(4, 3)], [(3, 1), (3, 2)], [(3, 2), (5, 2)], [(4, 2), (6, 4)]]


GRIDS += [[(6, 5)], [(8, 6)], [(11, 10)], [(9, 7)]]


@pytest.mark.parametrize("grids", GRIDS, ids=str)
def test_blocks_tile_colours_are_apart_and_every_group_is_whole_in_a_region(grids):
    tried = refused = 0
    for n, block, halo in itertools.product(range(12, 70, 3), (8, 13, 20, 31), (3, 6, 9, 15)):
        shape = (1, n, 12)
        parts = [
            Part(OverlappingGroupLasso(1.0, window=size, stride=stride).bind(shape).partition, shape) for size, stride in grids
        ]
        try:
            cut = Cut(parts, shape, block, halo)
        except ValueError:
            refused += 1
            continue
        tried += 1
        pixels = np.zeros(shape[1:], int)
        for own in cut.blocks:
            pixels[own] += 1
        assert (pixels == 1).all()
        for regions in cut.colours:
            pixels[...] = 0
            for region in regions:
                pixels[region] += 1
            assert pixels.max() == 1
        for part in parts:
            begun, inside = np.zeros(part.dual_shape[2:], int), np.zeros(part.dual_shape[2:], int)
            for own in cut.blocks:
                begun[part.inside(part.beginning(own))] += 1
            for region in itertools.chain(*cut.colours):
                inside[part.inside(region)] += 1
                assert part.on(region).dual_shape[2:] == inside[part.inside(region)].shape
            assert (begun == 1).all()
            assert inside.min() >= 1
    # refused are halos of half a block, and those that are too short for the groups
    assert tried > 20
    assert refused < 250
