"""transom.compiler() finds the program, and says what to do when it can't."""

import pytest

import transom


def test_environment_comes_first(monkeypatch, tmp_path):
    program = tmp_path / "other"
    program.touch(mode=0o755)
    monkeypatch.setenv("TRANSOM", str(program))
    assert transom.compiler() == str(program)


def test_names_a_wrong_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("TRANSOM", str(tmp_path / "none"))
    with pytest.raises(FileNotFoundError, match="none"):
        transom.compiler()


def test_says_what_to_run(monkeypatch, tmp_path):
    monkeypatch.delenv("TRANSOM", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("transom._tools._ROOT", tmp_path)
    with pytest.raises(FileNotFoundError, match="make build"):
        transom.compiler()
