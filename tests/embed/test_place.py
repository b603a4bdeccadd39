"""Into an app and out again: the tree is as before; what is not embed's own is never touched; whole or not at all."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mobilekit.bundle import Bundle
from mobilekit.embed import embed, remove
from mobilekit.embed.receipt import RECEIPT_FILE
from mobilekit.errors import BundleError, OutputExists, StorageError, UsageError

ROOT = Path(__file__).parents[2]
ASSETS = "app/src/main/assets/mobilekit/tiny"
Picture = Callable[[Path], dict[str, tuple[str, bytes]]]


@pytest.fixture(params=["android", "ios", "android-demo", "ios-demo"])
def project(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A fresh copy of an app: of a small one, and of each demo."""
    if not request.param.endswith("-demo"):
        return Path(request.getfixturevalue(request.param))
    demo = ROOT / request.param
    if not demo.is_dir():
        pytest.skip(f"{request.param}/ is not in this checkout")
    out = shutil.ignore_patterns("build", ".gradle", ".build", "target", ".kotlin", "mobilekit-embed.json")
    return Path(shutil.copytree(demo, tmp_path / request.param, ignore=out))


def test_twice_and_out_again_leaves_the_tree_as_it_was(project: Path, bundle: Path, picture: Picture) -> None:
    before = picture(project)
    first = embed(bundle, project)
    assert first.outcome == "embedded"
    inside = picture(project)
    assert len(inside) > len(before) and before.items() <= inside.items()
    times = {path: path.stat().st_mtime_ns for path in project.rglob("*")}

    assert embed(bundle, project).outcome == "unchanged"
    assert {path: path.stat().st_mtime_ns for path in project.rglob("*")} == times, "nothing is written again"
    assert picture(project) == inside

    removed = remove(project, "tiny")
    assert (removed.name, removed.files) == ("tiny", first.files + 1)
    assert picture(project) == before


def test_what_is_put_in_is_a_bundle_that_is_true(project: Path, bundle: Path) -> None:
    done = embed(bundle, project)
    inside = Bundle.load(done.place)
    source = Bundle.load(bundle).manifest
    taken = {(one.target, one.scheme) for one in done.artifacts}
    runtimes = {"executorch"} if done.platform == "android" else {"executorch", "coreml"}
    assert {one.runtime for one in inside.manifest.artifacts} == runtimes
    assert {(one.target, one.scheme) for sample in inside.manifest.golden for one in sample.outputs} <= taken
    assert inside.manifest.reports == () and inside.labels() == Bundle.load(bundle).labels()
    same = {"artifacts", "golden", "reports"}
    assert inside.manifest.model_dump(exclude=same) == source.model_dump(exclude=same)
    listed = {entry.file for entry in inside.manifest.files()} | {"bundle.json", RECEIPT_FILE}
    on_disk = {path.relative_to(done.place).as_posix() for path in done.place.rglob("*") if path.is_file()}
    assert on_disk == {name for name in on_disk if any(name == one or name.startswith(f"{one}/") for one in listed)}


def test_the_places(android: Path, ios: Path, bundle: Path) -> None:
    assert embed(bundle, android).place == android / ASSETS
    assert embed(bundle, ios).place == ios / "Resources/mobilekit/tiny"
    assert (ios / "Resources/mobilekit/.gitkeep").is_file()
    assert embed(bundle, android / "app", name="two").place == android / "app/src/main/assets/mobilekit/two"


def test_another_choice_replaces_what_embed_wrote(android: Path, bundle: Path, picture: Picture) -> None:
    before = picture(android)
    both = embed(bundle, android)
    assert [one.scheme for one in both.artifacts] == ["fp32", "int8"]
    one = embed(bundle, android, artifacts=["xnnpack:int8"])
    assert one.outcome == "replaced" and [artifact.scheme for artifact in one.artifacts] == ["int8"]
    assert [path.name for path in one.place.glob("*.pte")] == ["tiny.xnnpack.int8.pte"]
    assert ("xnnpack fp32", "not asked for") in {(f"{a.target} {a.scheme}", why) for a, why in one.left_out}
    remove(android)
    assert picture(android) == before


def test_a_release_needs_no_golden_samples(android: Path, bundle: Path) -> None:
    whole = embed(bundle, android)
    bare = embed(bundle, android, golden=False)
    assert (bare.outcome, bare.golden_samples) == ("replaced", 0) and bare.bytes < whole.bytes
    assert not (bare.place / "golden").exists() and Bundle.load(bare.place).manifest.golden == ()


def test_a_newer_bundle_replaces_the_older(android: Path, bundle: Path, picture: Picture) -> None:
    before = picture(android)
    embed(bundle, android)
    raw = json.loads((bundle / "bundle.json").read_text())
    (bundle / "bundle.json").write_text(json.dumps({**raw, "warnings": ["newer"]}))
    assert embed(bundle, android).outcome == "replaced"
    assert Bundle.load(android / ASSETS).manifest.warnings == ("newer",)
    assert remove(android, "tiny").name == "tiny"
    assert picture(android) == before


@pytest.mark.parametrize("order", [("one", "two"), ("two", "one")])
def test_two_bundles_lie_beside_each_other(
    android: Path, bundle: Path, picture: Picture, order: tuple[str, str]
) -> None:
    before = picture(android)
    embed(bundle, android, name="one")
    embed(bundle, android, name="two")
    with pytest.raises(UsageError, match="2 bundles are embedded: one, two"):
        remove(android)
    remove(android, order[0])
    assert Bundle.load(android / ASSETS.replace("tiny", order[1]))
    remove(android, order[1])
    assert picture(android) == before


def test_a_dry_run_writes_nothing(android: Path, bundle: Path, picture: Picture) -> None:
    before = picture(android)
    assert embed(bundle, android, dry_run=True).outcome == "would be embedded"
    assert picture(android) == before
    embed(bundle, android)
    assert embed(bundle, android, dry_run=True).outcome == "unchanged"
    assert embed(bundle, android, artifacts=["xnnpack:fp32"], dry_run=True).outcome == "would be replaced"


def spoil_foreign(place: Path) -> None:
    (place / "mine.txt").write_text("mine")


def spoil_folder(place: Path) -> None:
    (place / "mine").mkdir()


def spoil_changed(place: Path) -> None:
    (place / "labels.txt").write_text("changed\n")


def spoil_manifest(place: Path) -> None:
    (place / "bundle.json").write_text("{}")


def spoil_link(place: Path) -> None:
    (place / "labels.txt").unlink()
    (place / "labels.txt").symlink_to("bundle.json")


def spoil_receipt(place: Path) -> None:
    receipt = place / RECEIPT_FILE
    receipt.write_bytes(receipt.read_bytes()[:40])


def spoil_no_receipt(place: Path) -> None:
    (place / RECEIPT_FILE).unlink()


def spoil_all(place: Path) -> None:
    shutil.rmtree(place)
    place.write_text("a file of mine")


def spoil_place_link(place: Path) -> None:
    shutil.move(place, place.with_name("elsewhere"))
    place.symlink_to("elsewhere")


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (spoil_foreign, "mine.txt was not written by embed"),
        (spoil_folder, "mine was not written by embed"),
        (spoil_changed, "labels.txt was changed since embed wrote it"),
        (spoil_manifest, "bundle.json was changed since embed wrote it"),
        (spoil_link, "labels.txt is a link"),
        (spoil_receipt, "mobilekit-embed.json is damaged"),
        (spoil_no_receipt, "it has no mobilekit-embed.json"),
        (spoil_all, "it is no folder that embed made"),
        (spoil_place_link, "it is no folder that embed made"),
    ],
)
def test_what_is_not_embeds_own_is_neither_replaced_nor_removed(
    android: Path, bundle: Path, picture: Picture, spoil: Callable[[Path], None], says: str
) -> None:
    place = embed(bundle, android).place
    spoil(place)
    before = picture(android)
    for attempt in (lambda: embed(bundle, android), lambda: remove(android, "tiny")):
        with pytest.raises(OutputExists, match=says) as refused:
            attempt()
        assert refused.value.hint and "--name" in refused.value.hint
        assert picture(android) == before


def test_a_folder_that_was_there_is_not_taken(android: Path, bundle: Path) -> None:
    mine = android / ASSETS
    mine.mkdir(parents=True)
    with pytest.raises(OutputExists, match="embed did not write it"):
        embed(bundle, android)
    assert list(mine.iterdir()) == []


def test_a_file_of_embeds_own_that_is_gone_is_written_again(android: Path, bundle: Path, picture: Picture) -> None:
    before = picture(android)
    place = embed(bundle, android).place
    whole = picture(android)
    (place / "labels.txt").unlink()
    (place / ".DS_Store").write_bytes(b"the Finder was here")
    assert embed(bundle, android).outcome == "replaced"
    assert picture(android) == whole
    (place / "labels.txt").unlink()
    remove(android)
    assert picture(android) == before


def test_files_of_the_users_own_beside_it_stay(android: Path, bundle: Path) -> None:
    embed(bundle, android)
    mine = android / "app/src/main/assets/mine.bin"
    mine.write_bytes(b"mine")
    remove(android)
    assert [path.name for path in mine.parent.iterdir()] == ["mine.bin"]


def test_nothing_to_remove(android: Path, bundle: Path) -> None:
    with pytest.raises(UsageError, match="nothing is embedded there"):
        remove(android)
    embed(bundle, android)
    with pytest.raises(UsageError, match="nothing is embedded there") as refused:
        remove(android, "other")
    assert refused.value.hint == "embedded there: tiny"


def test_a_broken_bundle_is_not_put_in(android: Path, bundle: Path, picture: Picture) -> None:
    before = picture(android)
    (bundle / "labels.txt").write_text("changed\n")
    with pytest.raises(BundleError, match=r"labels\.txt"):
        embed(bundle, android)
    (bundle / "bundle.json").unlink()
    with pytest.raises(BundleError, match="not a bundle"):
        embed(bundle, android)
    assert picture(android) == before


@pytest.mark.parametrize("name", ["", "..", "a/b", ".hidden", "_skipped", "x" * 101, "tiny\n"])
def test_names_that_cannot_be_a_folders(android: Path, bundle: Path, name: str) -> None:
    if name:
        with pytest.raises(UsageError, match="cannot name a folder"):
            embed(bundle, android, name=name)
    with pytest.raises(UsageError):
        remove(android, name)


@pytest.mark.parametrize("first", [False, True])
def test_an_interruption_leaves_the_old_or_nothing(
    android: Path, bundle: Path, picture: Picture, monkeypatch: pytest.MonkeyPatch, first: bool
) -> None:
    if not first:
        embed(bundle, android, artifacts=["xnnpack:fp32"])
    before = picture(android)
    copied: list[Any] = []

    def stops(source: Path, to: Path) -> None:
        copied.append(source)
        if len(copied) == 4:
            raise KeyboardInterrupt
        to.write_bytes(Path(source).read_bytes())

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "copyfile", stops)
        with pytest.raises(KeyboardInterrupt):
            embed(bundle, android)
    assert picture(android) == before
    assert embed(bundle, android).outcome == ("embedded" if first else "replaced")


@pytest.mark.slow
def test_a_killed_run_leaves_no_trace_after_the_next(android: Path, bundle: Path, picture: Picture) -> None:
    before = picture(android)
    code = """
import shutil, sys, time
def stops(source, to):
    print(source, flush=True)
    time.sleep(60)
shutil.copyfile = stops
from mobilekit.embed import embed
embed(sys.argv[1], sys.argv[2])
"""
    killed = subprocess.Popen([sys.executable, "-c", code, bundle, android], stdout=subprocess.PIPE)
    assert killed.stdout is not None
    assert killed.stdout.readline()
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    killed.stdout.close()
    assert not (android / ASSETS).exists() and picture(android) != before, "only what no reader sees is left"
    assert embed(bundle, android).outcome == "embedded"
    remove(android)
    assert picture(android) == before


def killed(place: Path, left: str) -> None:
    """As a killed run leaves what it wrote, or was removing."""
    place.rename(place.with_name(f".{place.name}.{left}-0123abcd"))
    if left == "partial":
        (place.with_name(f".{place.name}.{left}-0123abcd") / ".lock").touch()


@pytest.mark.parametrize("left", ["partial", "removed"])
@pytest.mark.parametrize("name", [None, "tiny"])
def test_removing_after_a_killed_run_takes_its_traces_too(
    android: Path, bundle: Path, picture: Picture, left: str, name: str | None
) -> None:
    before = picture(android)
    killed(embed(bundle, android).place, left)
    with pytest.raises(UsageError, match="nothing is embedded there"):
        remove(android, name)
    assert picture(android) == before


@pytest.mark.parametrize("left", ["partial", "removed"])
def test_another_bundle_sweeps_what_a_killed_run_left(android: Path, bundle: Path, picture: Picture, left: str) -> None:
    before = picture(android)
    killed(embed(bundle, android).place, left)
    place = embed(bundle, android, name="other").place
    assert list(place.parent.iterdir()) == [place]
    remove(android)
    assert picture(android) == before


def test_an_interrupted_removal_is_finished(
    android: Path, bundle: Path, picture: Picture, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = picture(android)
    embed(bundle, android)
    whole, calls = shutil.rmtree, []

    def stops(folder: Path, **options: Any) -> None:
        calls.append(folder)
        if len(calls) == 1:
            (Path(folder) / "labels.txt").unlink()
            raise KeyboardInterrupt
        whole(folder, **options)

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", stops)
        with pytest.raises(KeyboardInterrupt):
            remove(android)
    assert picture(android) == before


def test_several_at_once_come_one_after_the_other(android: Path, bundle: Path, picture: Picture) -> None:
    before = picture(android)
    choices = (["xnnpack:fp32"], ["xnnpack:int8"], [])
    errors: list[Exception] = []

    def work(index: int) -> None:
        try:
            embed(bundle, android, artifacts=choices[index % 3], name=("tiny", "other")[index % 2])
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(index,)) for index in range(9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    for name in ("tiny", "other"):
        assert Bundle.load(android / "app/src/main/assets/mobilekit" / name)
        assert embed(bundle, android, name=name).outcome in ("replaced", "unchanged")
        remove(android, name)
    assert picture(android) == before


def powerless(*arguments: object) -> subprocess.CompletedProcess[str]:
    """The command, run by a user that permissions hold for: root without its power to override them."""
    drop = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search", "--inh-caps", "-all"]
    if os.geteuid() == 0 and shutil.which("setpriv") is None:
        pytest.skip("root may write anywhere, and setpriv (util-linux) is not there to take that away")
    command = [*(drop if os.geteuid() == 0 else ()), sys.executable, "-c", "from mobilekit.cli.main import run; run()"]
    path = {"PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.run(
        [*command, *map(str, arguments)], capture_output=True, text=True, env={**os.environ, **path}, check=False
    )


def test_an_app_that_cannot_be_written(android: Path, bundle: Path, picture: Picture) -> None:
    main = android / "app/src/main"
    main.chmod(0o555)
    before = picture(android)
    done = powerless("embed", bundle, android)
    assert (done.returncode, done.stdout) == (5, ""), done.stderr
    assert "permission denied" in done.stderr and "may be written to, with space left" in done.stderr
    assert picture(android) == before
    main.chmod(0o755)
    embed(bundle, android)
    (main / "assets" / "mobilekit").chmod(0o555)
    before = picture(android)
    for arguments in (("embed", bundle, android, "-a", "xnnpack:int8"), ("embed", android, "--remove")):
        done = powerless(*arguments)
        assert (done.returncode, done.stdout) == (5, ""), done.stderr
        assert picture(android) == before
    (main / "assets" / "mobilekit").chmod(0o755)


def test_a_folder_inside_that_cannot_be_written(android: Path, bundle: Path, picture: Picture) -> None:
    golden = embed(bundle, android).place / "golden"
    golden.chmod(0o555)
    before = picture(android)
    for arguments in (("embed", bundle, android, "-a", "xnnpack:int8"), ("embed", android, "--remove")):
        done = powerless(*arguments)
        assert (done.returncode, done.stdout) == (5, ""), done.stderr
        assert "golden: permission denied" in done.stderr
        assert picture(android) == before
    golden.chmod(0o755)


def test_a_folder_that_cannot_be_searched(android: Path, bundle: Path) -> None:
    (android / "closed").mkdir(mode=0o000)
    done = powerless("embed", bundle, android, "--dry-run")
    (android / "closed").chmod(0o755)
    assert done.returncode in (0, 5) and "Traceback" not in done.stderr and "internal error" not in done.stderr
    assert done.returncode == 0 or "closed" in done.stderr


def test_a_file_where_the_folder_should_be(android: Path, bundle: Path, picture: Picture) -> None:
    (android / "app/src/main/assets").write_text("a file")
    before = picture(android)
    with pytest.raises(StorageError, match="is a file, not a folder") as refused:
        embed(bundle, android)
    assert refused.value.hint and "must be folders" in refused.value.hint and " -o" not in refused.value.hint
    assert picture(android) == before


def test_a_disk_that_is_full(android: Path, bundle: Path, picture: Picture, monkeypatch: pytest.MonkeyPatch) -> None:
    before = picture(android)

    def full(source: Path, to: Path) -> None:
        raise OSError(28, "No space left on device", str(source), None, str(to))  # as shutil tells it

    monkeypatch.setattr(shutil, "copyfile", full)
    with pytest.raises(StorageError, match="no space left") as refused:
        embed(bundle, android)
    assert refused.value.message.startswith(str(android)), "the disk that is full is the app's, not the bundle's"
    assert picture(android) == before


def test_the_receipt_has_no_date_and_no_path_of_a_machine(android: Path, bundle: Path) -> None:
    receipt = embed(bundle, android).place / RECEIPT_FILE
    first = receipt.read_text()
    remove(android)
    time.sleep(0.01)
    embed(bundle, android)
    assert receipt.read_text() == first
    assert str(android) not in first and str(bundle) not in first
    assert set(json.loads(first)["files"]) == {
        path.relative_to(receipt.parent).as_posix()
        for path in receipt.parent.rglob("*")
        if path.is_file() and path != receipt
    }
