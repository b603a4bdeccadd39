from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

import pytest

from mobilekit.errors import DataError, ModelError, UsageError
from mobilekit.usercode import (
    at_user_line,
    function_of,
    guarded,
    import_module,
    is_module,
    is_user_file,
    summary,
)

CODE = """
import json
import sys
from json import loads

def parse(text):
    return json.loads(text)

def leave():
    sys.exit(3)

def talk():
    print("from the user")
    return 7

_hidden = parse
"""


@pytest.fixture(autouse=True)
def _in_a_folder_with_a_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "usercode_sample.py").write_text(CODE)
    (tmp_path / "usercode_wrong.py").write_text("x = 1\ndef f(:\n")
    (tmp_path / "usercode_package").mkdir()
    (tmp_path / "usercode_package" / "__init__.py").write_text("raise OSError('the package itself')\n")
    (tmp_path / "usercode_package" / "inner.py").write_text("")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    for name in ("usercode_sample", "usercode_wrong", "usercode_package"):
        monkeypatch.delitem(sys.modules, name, raising=False)


def test_the_user_s_line_not_the_library_s_is_named() -> None:
    module = import_module("usercode_sample", error=ModelError)
    with pytest.raises(DataError) as caught:
        guarded(lambda: module.parse("{"), what="reading", error=DataError)
    assert caught.value.message.startswith("reading failed: JSONDecodeError: Expecting property name")
    place = f"{Path('usercode_sample.py').resolve()}:7, in parse: return json.loads(text)"
    assert caught.value.message.endswith(f"\n  at {place}")


def test_our_own_errors_pass_through() -> None:
    def refuse() -> None:
        raise UsageError("as it is")

    with pytest.raises(UsageError, match=r"^as it is$"):
        guarded(refuse, what="x", error=ModelError)


def test_leaving_the_program_is_a_failure_and_interrupting_it_is_not() -> None:
    module = import_module("usercode_sample", error=ModelError)
    with pytest.raises(ModelError, match=r"SystemExit: 3\n  at .*usercode_sample\.py:10, in leave: sys\.exit\(3\)"):
        guarded(module.leave, what="x", error=ModelError)

    def interrupt() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        guarded(interrupt, what="x", error=ModelError)


def test_what_it_prints_does_not_reach_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    module = import_module("usercode_sample", error=ModelError)
    assert guarded(module.talk, what="x", error=ModelError) == 7
    printed = capsys.readouterr()
    assert (printed.out, printed.err) == ("", "from the user\n")


def test_a_function_in_an_installed_package_is_named_by_its_own_line() -> None:
    from PIL import Image

    with pytest.raises(ModelError, match=r"\n  at .*PIL.Image\.py:\d+, in open: "):
        guarded(partial(Image.open, "no-such-file"), what="x", error=ModelError)


def test_imports_that_fail() -> None:
    with pytest.raises(ModelError, match=r"importing usercode_wrong failed: SyntaxError.*\n  at .*wrong\.py:2: def f"):
        import_module("usercode_wrong", error=ModelError)
    with pytest.raises(DataError, match=r"OSError: the package itself\n  at .*__init__\.py:1, in <module>: raise"):
        import_module("usercode_package.inner", error=DataError)


@pytest.mark.parametrize(
    ("name", "there"),
    [
        ("usercode_sample", True),
        ("usercode_package.inner", True),  # its import fails, which is another matter
        ("json.decoder", True),
        ("no_such_module", False),
        ("json.decoder.inner", False),
        ("json.nothing", False),
        ("", False),
        ("a b", False),
        (".relative", False),
        ("C:/models/x", False),
    ],
)
def test_whether_there_is_such_a_module(name: str, there: bool) -> None:
    assert is_module(name) is there


def test_a_missing_function_is_answered_with_the_module_s_own() -> None:
    module = import_module("usercode_sample", error=ModelError)
    assert function_of(module, "loads", place="x", error=UsageError) is module.loads
    for name in ("pars", "__doc__"):
        with pytest.raises(UsageError, match=rf"^x has no function '{name}'") as caught:
            function_of(module, name, place="x", error=UsageError)
        assert caught.value.hint == "it has: leave, parse, talk"


def test_whose_file_it_is() -> None:
    import json
    import pathlib

    import numpy

    import mobilekit.errors

    assert is_user_file(__file__) and is_user_file("model.py")
    for module in (json, pathlib, numpy, mobilekit.errors, pytest):
        assert not is_user_file(str(module.__file__))
    assert not is_user_file("<string>") and not is_user_file("<frozen importlib._bootstrap>")
    package = Path(mobilekit.errors.__file__).parent
    assert is_user_file(str(package / "zoo" / "lenet" / "model.py"))


def test_no_line_where_no_code_of_the_user_s_took_part() -> None:
    assert at_user_line(ValueError("never raised")) == ""


def test_summaries_are_short() -> None:
    assert summary(ValueError("one\n  two")) == "ValueError: one two"
    assert summary(ValueError()) == "ValueError"
    assert summary(ValueError("given"), said="instead") == "ValueError: instead"
    long = summary(ValueError("word " * 1000))
    assert len(long) < 320 and long.endswith("word…")
