"""The rows of a comparison and their ways to a weight."""

from proxsparse import L1, TotalVariation, compare, phantoms

TRUTH = phantoms.regions((48, 48))


NOISY = phantoms.add_noise(TRUTH, 0.1)


def test_ways_to_a_weight():
    names = lambda **kw: compare(TRUTH, noisy=NOISY, data_range=1.0, **kw).names  # noqa: E731
    assert names(penalties="tv", weight=0.1) == ["tv"]
    assert names(penalties="tv", weight=("sure", "gcv", 0.1)) == ["tv", "tv (gcv)", "tv (0.1)"]
    assert names(penalties="tv", weight=("oracle", "auto")) == ["tv (oracle)", "tv"]
    own = TotalVariation(0.2)
    assert names(penalties=(own, "l1", L1() + TotalVariation(0.1)), weight={"l1": 0.1, L1() + TotalVariation(0.1): 0.05}) == [
        "TotalVariation(0.2)",
        "l1",
        "L1() + TotalVariation(0.1)",
    ]
    protocol = compare(TRUTH, noisy=NOISY, data_range=1.0, penalties=("tv", "l1+tv"), weight={"tv": 0.08, "l1+tv": (0.01, 0.1)})
    assert [row["weight"] for row in protocol.table] == [0.08, (0.01, 0.1)]
    assert [row["rule"] for row in protocol.table] == ["given", "given"]


def test_a_name_in_any_spelling_is_the_same_row():
    """Under the name as it was typed; the noisy image is always "none"."""
    names = compare(TRUTH, noisy=NOISY, data_range=1.0, penalties=("None", "Regions", "TV"), weight=("auto", "oracle")).names
    assert names == ["none", "Regions", "TV", "TV (oracle)"]
