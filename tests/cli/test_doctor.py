"""The doctor solves what is known and says where kernels are kept."""

from proxsparse.cli import main


def test_the_doctor_solves_what_is_known_and_says_where_kernels_are_kept(capsys, monkeypatch):
    assert main(["doctor"]) == 0
    said = capsys.readouterr().out
    assert said.count("\n  ok ") == 4
    for text in ("proxsparse 0", "Python 3", "numba", "kernel cache: ", "all is well"):
        assert text in said
    paths = ("proxsparse ", "kernel cache", "environment", "Python")
    assert max(len(line) for line in said.splitlines() if not line.startswith(paths)) <= 100
    from proxsparse.cli import doctor as _doctor

    def broken():
        raise MemoryError("gone")

    monkeypatch.setattr(
        _doctor, "PROBLEMS", {"one": lambda: (0.5, 0.6, True), "two": broken, "three": lambda: (0.5, 0.5, False)}
    )
    assert main(["doctor"]) == 1
    said = capsys.readouterr().out
    assert said.count("WRONG") == 2
    assert "MemoryError('gone')" in said
