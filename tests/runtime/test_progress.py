"""The display of progress."""

import pytest
from examples import image_of

from proxsparse import solve


@pytest.mark.parametrize("tqdm", [True, False])
def test_disp_shows_progress(tqdm, capsys, monkeypatch):
    import sys

    if not tqdm:
        monkeypatch.setitem(sys.modules, "tqdm.auto", None)
    solve(image_of((20, 21)), "tv", 0.2, options={"disp": True})
    shown = capsys.readouterr().err
    assert "relative gap" in shown
    assert "iteration" in shown
