"""What `Regions` takes, and what it says of itself."""

import copy
import pickle

from proxsparse import Regions


def test_it_survives_pickle_copy_and_repr():
    penalty = Regions(0.2, contour=1.0, stages=2, false_alarms=0.05)
    for other in (pickle.loads(pickle.dumps(penalty)), copy.deepcopy(penalty), eval(repr(penalty))):
        assert other == penalty
    assert Regions().with_weight(0.3) == Regions(0.3)
