"""The demonstration prints its table and draws its picture."""

from skimage.io import imread

from proxsparse.cli import main


def test_the_demo_prints_its_table_and_draws_its_picture(tmp_path, monkeypatch, capsys):
    from proxsparse.cli import demo as _demo

    drawable = _demo.has_matplotlib()
    monkeypatch.chdir(tmp_path)
    assert main(["demo"] if drawable else ["demo", "--no-picture"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 100
    columns = "penalty weight PSNR dB SSIM zeros % pieces isolated % gap seconds"
    assert [" ".join(line.replace("|", " ").split()) for line in lines].count(columns) == 2
    rows, scene = {}, None
    for line in lines:
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if "noise" in line and "|" not in line:
            scene = line.partition(",")[0]
        elif len(cells) == 9 and cells[0] not in ("penalty",) and "---" not in line:
            rows[scene, cells[0]] = cells
    assert len(rows) == 16
    assert all(float(row[7]) <= 1e-4 for row in rows.values() if row[7])
    quality, zeros = ({key: float(row[column]) for key, row in rows.items()} for column in (2, 4))
    assert quality["camera", "TV"] > quality["camera", "(noisy)"] + 8
    assert quality["phantom", "regions"] > quality["phantom", "TV"] + 5
    assert rows["phantom", "regions"][5] == "5"
    assert zeros["phantom", "L1 + TV"] > 50
    assert zeros["phantom", "overlap 3x3"] > 50
    # what is refitted has the same zeros, and more contrast
    assert zeros["phantom", "- refitted"] == zeros["phantom", "overlap 3x3"]
    assert quality["phantom", "- refitted"] > quality["phantom", "overlap 3x3"] + 3
    if drawable:
        height, width = imread(tmp_path / "proxsparse-demo.png").shape[:2]
        assert height > 800
        assert width > 1200


def test_the_demo_keeps_what_exists(tmp_path, capsys, monkeypatch):
    from proxsparse.cli import demo

    monkeypatch.setattr(demo, "run", lambda: (_ for _ in ()).throw(AssertionError("solved")))
    monkeypatch.setattr(demo, "has_matplotlib", lambda: True)
    (tmp_path / "mine.png").write_bytes(b"precious")
    assert main(["demo", "--output", str(tmp_path / "mine.png")]) == 2
    assert "exists; --overwrite replaces it" in capsys.readouterr().err
    assert (tmp_path / "mine.png").read_bytes() == b"precious"
