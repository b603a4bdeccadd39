"""A revision is built from its own files by the user's command, and nothing of it stays."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

import pytest

from mobilekit.errors import UsageError
from mobilekit.pipeline.rebuild import rebuilt


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two commits of `word`: "old", then "new", and a change that was not committed. Temporary files in `temporary`."""
    place = tmp_path / "repository"
    place.mkdir()
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):  # set while a commit hook runs the tests
        monkeypatch.delenv(name, raising=False)
    git(place, "init", "--quiet")
    for word in ("old", "new"):
        (place / "word").write_text(word)
        git(place, "add", "word")
        git(place, "-c", "user.name=A", "-c", "user.email=a@b.c", "commit", "--quiet", "-m", word)
    (place / "word").write_text("uncommitted")
    return place


def git(place: Path, *args: str) -> None:
    subprocess.run(["git", *args], cwd=place, check=True, capture_output=True)


def leftovers(repository: Path) -> list[Path]:
    return list((repository.parent / "temporary").iterdir())


@pytest.mark.parametrize(("revision", "word"), [("HEAD~1", "old"), ("HEAD", "new")])
def test_the_revisions_own_files_are_built(repository: Path, revision: str, word: str) -> None:
    with rebuilt(revision, "mkdir {output} && cp word {output}", folder=repository) as made:
        assert (made / "word").read_text() == word
    assert (repository / "word").read_text() == "uncommitted"
    assert leftovers(repository) == []


@pytest.mark.parametrize(
    ("revision", "command", "says"),
    [
        ("no-such", "cp word {output}", "no such revision in this repository"),
        ("--help", "cp word {output}", "name a revision"),
        ("", "cp word {output}", "name a revision"),
        ("HEAD", "cp word out", "does not say where the bundle goes"),
        ("HEAD", "true {output}", "left no bundle"),
        ("HEAD", "echo broken; exit 7 # {output}", r"ended with 7.*\n  broken"),
    ],
)
def test_what_cannot_be_built(repository: Path, revision: str, command: str, says: str) -> None:
    with pytest.raises(UsageError, match=says), rebuilt(revision, command, folder=repository):
        pytest.fail("nothing was built")
    assert leftovers(repository) == []


def test_outside_a_repository(repository: Path) -> None:
    with (
        pytest.raises(UsageError, match="in no git repository"),
        rebuilt("HEAD", "{output}", folder=repository.parent / "temporary"),
    ):
        pytest.fail("nothing was built")


def test_an_interruption_ends_the_build_and_leaves_nothing(repository: Path) -> None:
    with pytest.raises(KeyboardInterrupt), rebuilt("HEAD", "mkdir {output}", folder=repository):
        raise KeyboardInterrupt
    assert leftovers(repository) == []
