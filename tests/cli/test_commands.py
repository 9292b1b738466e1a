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
        "unknown kind of file '.gif'": [str(good), str(tmp_path / "out.gif")],
        "JPEG would change": [str(good), str(tmp_path / "out.jpg")],
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
        ([a], "give NOISY, or --noise-std"),
        ([str(tmp_path / "float.npy"), "--noise-std", "0.1"], "give --data-range"),
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


def sixteen(image):
    return np.rint(4095 * np.clip(image, 0, 1)).astype(np.uint16)


def test_the_range_of_integers_is_never_guessed(tmp_path, capsys):
    """Twelve bits in sixteen: what is told, or asked for, or all of them where the numbers need them."""
    truth = np.abs(TRUTH)
    noisy = phantoms.add_noise(truth, 0.1)
    right = 10 * np.log10(4095**2 / np.mean((sixteen(truth).astype(float) - sixteen(noisy)) ** 2))
    files = {"truth": sixteen(truth), "noisy": sixteen(noisy), "full": sixteen(truth) * 16, "float": sixteen(noisy) / 4095}
    files |= {"signed": sixteen(truth).astype(np.int16), "bytes": np.rint(255 * np.clip(noisy, 0, 1)).astype(np.uint8)}
    for name, array in files.items():
        np.save(tmp_path / f"{name}.npy", array)
    table = tmp_path / "found.csv"

    def compared(truth, noisy, *more):
        paths = [str(tmp_path / f"{name}.npy") for name in (truth, noisy)]
        code = main(["compare", *paths, "--penalty", "none", "--quiet", "--csv", str(table), "--overwrite", *more])
        return code, capsys.readouterr().err

    def psnr():
        header, line = table.read_text().splitlines()
        return float(line.split(",")[header.split(",").index("psnr")])

    for pair in (("truth", "noisy"), ("signed", "noisy"), ("bytes", "noisy")):
        code, said = compared(*pair)
        assert code == 2
        assert "leaves its range in doubt" in said
        assert ("save it as the truth or as floats" if pair[0] == "bytes" else "give --data-range") in said
    assert compared("truth", "noisy", "--data-range", "4095") == (0, "")
    assert psnr() == pytest.approx(right, abs=1e-9)
    # whatever the other one is stored as
    assert compared("truth", "float", "--data-range", "4095") == (0, "")
    assert psnr() == pytest.approx(right, abs=1e-9)
    assert compared("truth", "bytes", "--data-range", "4095") == (0, "")
    assert psnr() == pytest.approx(right, abs=0.1)
    code, said = compared("truth", "noisy", "--data-range", "1")
    assert code == 2
    assert "above --data-range 1, which is in its own numbers" in said
    # all sixteen bits are needed
    assert compared("full", "bytes") == (0, "")
    assert psnr() == pytest.approx(right, abs=0.1)


def test_names_of_files_and_a_width_that_terminals_have(tmp_path, capsys):
    for i in range(3):
        truth = phantoms.blobs((40, 41), seed=i)
        noisy = phantoms.add_noise(np.abs(truth), 0.1, seed=i)
        save(tmp_path / "truth" / f"scan number {i}.png", np.abs(truth))
        save(tmp_path / "noisy" / f"scan number {i}.png", noisy)
        save(tmp_path / "net" / f"scan number {i}.png", smooth(noisy))
    save(tmp_path / "noisy" / "more.png", noisy)
    (tmp_path / "net" / "notes.txt").write_text("of no interest")
    report, table = tmp_path / "report.html", tmp_path / "found.csv"
    folders = [str(tmp_path / name) for name in ("truth", "noisy", "net")]
    name = "a network with a rather long name, as networks have"
    arguments = ["compare", *folders[:2], "--output", f"{name}={folders[2]}", "--report", str(report), "--csv", str(table)]
    assert main([*arguments, "--penalty", "none", "tv", "l1+tv", "--weight", "auto", "universal-no"]) == 2
    assert main([*arguments, "--penalty", "none", "tv", "l1+tv", "overlap", "--weight", "auto", "oracle"]) == 0
    said = capsys.readouterr()
    assert max(len(line) for line in said.out.splitlines() if not line.startswith("wrote ")) <= 100
    assert f"wrote {report}" in said.out
    assert f"wrote {table}" in said.out
    assert "left out more.png" in said.err
    assert "left out notes.txt" in said.err
    for i in range(3):
        for text in (said.out, report.read_text(), table.read_text()):
            assert f"scan number {i}.png" in text


def test_messages_name_the_command_lines_own_options(tmp_path, capsys):
    np.save(tmp_path / "in.npy", image_of((24, 23)))
    arguments = ["denoise", str(tmp_path / "in.npy"), str(tmp_path / "out.npy")]
    for more, message in (
        (["--noise-std", "-1"], "--noise-std must be finite"),
        (["--weight", "0.1", "--tol", "-1"], "tol must be"),
        (["--weight", "0.1", "--channel-axis", "4"], "--channel-axis 4 is out of range"),
        (["--weight", "0.1", "--spacing", "1", "2", "3"], "spacing"),
        (["--weight", "0.1", "--maxiter", "-3"], "maxiter must be"),
    ):
        assert main([*arguments, *more]) == 2
        said = capsys.readouterr().err
        assert message in said
        assert "_" not in said.replace(str(tmp_path), "")


def test_a_cold_start_says_that_kernels_are_compiled_once(tmp_path):
    np.save(tmp_path / "in.npy", image_of((24, 23)))
    command = [sys.executable, "-m", "proxsparse", "denoise", str(tmp_path / "in.npy"), str(tmp_path / "out.npy")]
    command += ["--penalty", "l1", "--weight", "0.1", "--overwrite"]
    told = []
    for _ in range(2):
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=300,
            check=True,
            env=os.environ | {"PROXSPARSE_CACHE_DIR": str(tmp_path)},
        )
        told.append(done.stderr)
    assert told == ["compiling kernels, once (a few seconds)\n", ""]
