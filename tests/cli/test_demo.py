"""The demonstration prints its table and draws its picture."""

from skimage.io import imread

from proxsparse.cli import main


def test_the_demo_prints_its_table_and_draws_its_picture(tmp_path, monkeypatch, capsys):
    from proxsparse.cli import demo as _demo

    drawable = _demo.has_matplotlib()
    monkeypatch.chdir(tmp_path)
    assert main(["demo"] if drawable else ["demo", "--no-picture"]) == 0
    lines = capsys.readouterr().out.splitlines()
    columns = "image penalty weight PSNR dB SSIM zeros % pieces isolated % rel. gap iterations seconds"
    assert " ".join(lines[0].replace("|", " ").split()) == columns
    rows = [
        [c.strip() for c in line.strip("|").split("|")]
        for line in lines
        if line.startswith("| camera") or line.startswith("| phantom")
    ]
    assert len(rows) == 16
    quality = {(row[0], row[1]): float(row[3]) for row in rows}
    zeros = {(row[0], row[1]): float(row[5]) for row in rows}
    assert all(float(row[8]) <= 1e-4 for row in rows if row[8])
    assert quality["camera", "TV"] > quality["camera", "(noisy)"] + 8
    assert quality["phantom", "regions"] > quality["phantom", "TV"] + 5
    assert {(row[1], row[6]) for row in rows if row[0] == "phantom"} >= {("regions", "5")}
    assert zeros["phantom", "L1 + TV"] > 50
    assert zeros["phantom", "overlap 3x3"] > 50
    # what is refitted has the same zeros, and more contrast
    assert zeros["phantom", "overlap 3x3, refitted"] == zeros["phantom", "overlap 3x3"]
    assert quality["phantom", "overlap 3x3, refitted"] > quality["phantom", "overlap 3x3"] + 3
    if drawable:
        height, width = imread(tmp_path / "proxsparse-demo.png").shape[:2]
        assert height > 800
        assert width > 1200
