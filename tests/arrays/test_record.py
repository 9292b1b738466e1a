"""Results: keys that are attributes."""

import copy
import pickle

import numpy as np
import pytest

from proxsparse.arrays.record import Record


def test_items_are_attributes_and_keys():
    record = Record(x=np.zeros(3), nit=4)
    record.gap = 0.5
    assert record["gap"] == record.gap == 0.5
    assert {"x", "nit", "gap", "keys"} <= set(dir(record))
    del record.gap
    assert not hasattr(record, "gap")
    with pytest.raises(AttributeError, match="Record has no 'fan'; it has x, nit"):
        record.fan  # noqa: B018
    for again in (copy.copy(record), copy.deepcopy(record), pickle.loads(pickle.dumps(record))):
        assert type(again) is Record
        assert again.nit == 4


def test_it_is_shown_item_by_item():
    record = Record(gap=1e-3, x=np.linspace(0, 1, 10000), history={"gap": np.ones(2)}, message="Well.", success=True)
    lines = repr(record).splitlines()
    assert [line.split(":")[0].strip() for line in lines[:3]] == ["message", "success", "x"]
    assert lines[-1].strip() == "history: gap: [1. 1.]"
    assert max(map(len, lines)) < 90
    assert repr(Record()) == "Record()"
