"""The command line, in this process and as a program."""

import os
import subprocess
import sys

import numpy as np
import pytest
from examples import image_of
from scipy import ndimage
from skimage.io import imsave

from proxsparse import phantoms, solve
from proxsparse.cli import main


def test_a_sum_takes_a_weight_a_part(tmp_path):
    np.save(tmp_path / "y.npy", image_of((24, 23)))
    arguments = ["denoise", str(tmp_path / "y.npy"), str(tmp_path / "x.npy"), "--penalty", "l1+tv", "--weight", "0.1", "0.2"]
    assert main(arguments) == 0
    np.testing.assert_array_equal(np.load(tmp_path / "x.npy"), solve(image_of((24, 23)), "l1+tv", (0.1, 0.2)).x)


def test_what_is_wrong_is_one_line_and_exit_code_2(tmp_path, capsys):
    good, text = tmp_path / "good.npy", tmp_path / "text.png"
    np.save(good, image_of((9, 8)))
    text.write_text("not a picture")
    nan = tmp_path / "nan.npy"
    np.save(nan, np.full((4, 4), np.nan))
    objects = tmp_path / "objects.npy"
    np.save(objects, np.array([{}], object), allow_pickle=True)
    exists = tmp_path / "exists.npy"
    exists.write_bytes(b"precious")
    out = str(tmp_path / "out.npy")
    wrong = {
        "no such file": [str(tmp_path / "none.npy"), out],
        "cannot be read as PNG": [str(text), out],
        "NaN or infinite": [str(nan), out],
        "cannot be read as NPY": [str(objects), out],
        "unknown kind of file '.jpg'": [str(good), str(tmp_path / "out.jpg")],
        "exists; --overwrite": [str(good), str(exists)],
        "cannot be written": [str(good), str(tmp_path / "no" / "out.npy")],
        "PNG cannot hold": [str(good), str(tmp_path / "out.png")],
        "unknown penalty": [str(good), out, "--penalty", "tvv"],
        "got -1.0": [str(good), out, "--weight", "-1"],
    }
    for message, arguments in wrong.items():
        weight = [] if "--weight" in arguments else ["--weight", "0.1"]
        assert main(["denoise", *arguments, *weight]) == 2, message
        lines = capsys.readouterr().err.splitlines()
        assert len(lines) == 1, lines
        assert message in lines[0]
    assert exists.read_bytes() == b"precious"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["exists.npy", "good.npy", "nan.npy", "objects.npy", "text.png"]
    assert main(["denoise", str(good), str(exists), "--weight", "0.1", "--overwrite", "--quiet"]) == 0


def test_not_converging_is_exit_code_1_with_the_image_written(tmp_path, capsys):
    np.save(tmp_path / "y.npy", image_of((24, 23)))
    arguments = ["denoise", str(tmp_path / "y.npy"), str(tmp_path / "x.npy"), "--weight", "0.1", "--maxiter", "1"]
    assert main(arguments) == 1
    assert "iteration limit" in capsys.readouterr().err
    assert np.load(tmp_path / "x.npy").shape == (24, 23)


def test_it_runs_as_a_program(tmp_path):
    np.save(tmp_path / "y.npy", image_of((9, 8)))
    command = [
        sys.executable,
        "-m",
        "proxsparse",
        "denoise",
        str(tmp_path / "y.npy"),
        str(tmp_path / "x.npy"),
        "--weight",
        "0.1",
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert "relative gap" in done.stdout
    assert done.stderr == ""
    version = subprocess.run(
        [sys.executable, "-m", "proxsparse", "--version"], capture_output=True, text=True, timeout=60, check=True
    )
    assert version.stdout.startswith("proxsparse 0.")


def test_the_weight_may_be_left_out(tmp_path, capsys):
    np.save(tmp_path / "y.npy", phantoms.add_noise(phantoms.regions((32, 32)), 0.1))
    assert main(["denoise", str(tmp_path / "y.npy"), str(tmp_path / "x.npy"), "--noise-std", "0.1"]) == 0
    said = capsys.readouterr().out
    assert "by sure, noise 0.1" in said
    assert main(["denoise", str(tmp_path / "y.npy"), str(tmp_path / "z.npy"), "--weight", "gcv"]) == 0
    assert "by gcv" in capsys.readouterr().out
    assert main(["denoise", str(tmp_path / "y.npy"), str(tmp_path / "w.npy"), "--weight", "best"]) == 2


@pytest.mark.parametrize("where", ["numpy.load", "tempfile.mkstemp"])
def test_no_permission(where, tmp_path, capsys, monkeypatch):
    """To read, and to write; refused by hand, as root may do everything."""

    def refuse(*args, **kwargs):
        raise PermissionError(13, "Permission denied")

    np.save(tmp_path / "in.npy", image_of((9, 8)))
    monkeypatch.setattr(where, refuse)
    assert main(["denoise", str(tmp_path / "in.npy"), str(tmp_path / "out.npy"), "--weight", "0.1", "--quiet"]) == 2
    said = capsys.readouterr().err
    assert "Permission denied" in said
    assert len(said.splitlines()) == 1
    assert [p.name for p in tmp_path.iterdir()] == ["in.npy"]


def test_a_reader_that_has_left_is_no_traceback(tmp_path):
    """As in ``proxsparse doctor | true``."""
    left, right = os.pipe()
    os.close(left)
    with os.fdopen(right, "w") as output:
        command = [sys.executable, "-m", "proxsparse", "doctor"]
        done = subprocess.run(command, stdout=output, stderr=subprocess.PIPE, text=True, timeout=120, check=False)
    assert (done.returncode, done.stderr) == (141, "")


TRUTH = phantoms.regions((48, 48))


def smooth(y):
    return ndimage.gaussian_filter(y, 1.0)


def save(path, image):

    path.parent.mkdir(exist_ok=True)
    imsave(path, np.rint(255 * np.clip(image, 0, 1)).astype(np.uint8), check_contrast=False)
    return str(path)


def test_the_command_line_compares_files_and_folders(tmp_path, capsys):
    truths = [np.abs(TRUTH), phantoms.blobs((40, 40))]
    for i, truth in enumerate(truths):
        noisy = phantoms.add_noise(truth, 0.1)
        save(tmp_path / "truth" / f"{i}.png", truth)
        save(tmp_path / "noisy" / f"{i}.png", noisy)
        save(tmp_path / "unet" / f"{i}.png", smooth(noisy))
    report, figures = tmp_path / "report.html", tmp_path / "figures.csv"
    common = ["--penalty", "none", "tv", "--weight", "auto", "--report", str(report), "--csv", str(figures)]
    files = [str(tmp_path / kind / "0.png") for kind in ("truth", "noisy", "unet")]
    assert main(["compare", *files[:2], "--output", f"unet={files[2]}", *common]) == 0
    said = capsys.readouterr().out
    assert "| unet" in said
    assert "unet - tv" in said
    assert report.exists()
    assert len(figures.read_text().splitlines()) == 4
    assert main(["compare", *files[:2], *common]) == 2
    assert "--overwrite" in capsys.readouterr().err
    folders = [str(tmp_path / kind) for kind in ("truth", "noisy", "unet")]
    assert main(["compare", *folders[:2], "--output", f"unet={folders[2]}", *common, "--overwrite", "--quiet"]) == 0
    assert capsys.readouterr().out == ""
    assert len(figures.read_text().splitlines()) == 7
    assert (
        main(["compare", folders[0], "--noise-std", "0.1", "--penalty", "tv", "--weight", "0.1", "--quiet", "--workers", "2"])
        == 0
    )


def test_the_command_line_names_what_does_not_match(tmp_path, capsys):
    a = save(tmp_path / "a" / "x.png", np.abs(TRUTH))
    b = save(tmp_path / "b" / "y.png", np.abs(TRUTH)[:40])
    np.save(tmp_path / "float.npy", TRUTH)
    np.save(tmp_path / "large.npy", 255 * TRUTH)
    for arguments, message in (
        ([a, b], "has shape (40, 48), the truth (48, 48)"),
        ([a, a, "--output", f"unet={b}"], "y.png: has shape"),
        ([a, a, "--output", b], "--output takes NAME=PATH"),
        ([a, str(tmp_path / "b")], "is a folder, but"),
        ([str(tmp_path / "a"), str(tmp_path / "b")], "has no image named x"),
        ([str(tmp_path / "a"), str(tmp_path / "c")], "no such file or folder"),
        ([a], "give noisy=, or noise_std="),
        ([str(tmp_path / "float.npy"), "--noise-std", "0.1"], "give data_range="),
        ([a, a, "--weight", "tv=0.1", "auto"], "--weight takes rules and numbers"),
        ([str(tmp_path / "float.npy"), str(tmp_path / "large.npy"), "--data-range", "1"], "are they in one unit?"),
        ([a, a, "--penalty", "tvv"], "unknown penalty 'tvv'"),
        ([a, a, "--output", f"u={a}", "--output", f"u={a}"], "two outputs of one name"),
        ([a, a, "--report", str(tmp_path / "none" / "r.html"), "--penalty", "none"], "no such directory"),
    ):
        assert main(["compare", *arguments, "--quiet"]) == 2
        said = capsys.readouterr().err
        assert message in said
        assert len(said.strip().splitlines()) == 1
