"""Denoisers of other packages beside ours, labelled as theirs."""

import numpy as np
import pytest

from proxsparse import compare, phantoms

TRUTH = phantoms.regions((48, 48))


NOISY = phantoms.add_noise(TRUTH, 0.1)


def test_baselines_are_labelled_as_theirs():
    found = compare(TRUTH, noisy=NOISY, data_range=1.0, penalties=("none", "nlm", "gaussian", "bilateral", "wavelet-bayes"))
    assert [row["kind"] for row in found.table[1:]] == ["baseline"] * 4
    for name in ("nlm", "wavelet-bayes", "bilateral"):
        assert found.values(name, "psnr")[0] > found.values("none", "psnr")[0] + 2
        assert "scikit-image" in next(row["what"] for row in found.provenance["rows"] if row["name"] == name)
    with pytest.raises(ValueError, match="takes images of 2 axes beside the channels"):
        compare(np.zeros((5, 6, 7)), noise_std=0.1, data_range=1.0, penalties="bilateral")
    import importlib.util

    if importlib.util.find_spec("bm3d") is None:
        with pytest.raises(ImportError, match="pip install bm3d"):
            compare(TRUTH, noisy=NOISY, data_range=1.0, penalties="bm3d")
