"""Running the user's Python: import a function, call it, and name the user's own line when it fails."""

from __future__ import annotations

import contextlib
import functools
import importlib
import importlib.util
import site
import sys
import sysconfig
import traceback
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from mobilekit.errors import MobilekitError

R = TypeVar("R")
_PACKAGE = Path(__file__).resolve().parent


def guarded(call: Callable[[], R], *, what: str, error: type[MobilekitError]) -> R:
    """Run the user's code; its exceptions become `error` with the line they came from. Ours pass through.

    What it prints goes to stderr: stdout is for our own answer, which a program may be reading.
    """
    try:
        with contextlib.redirect_stdout(sys.stderr):
            return call()
    except MobilekitError:
        raise
    except (Exception, SystemExit) as problem:
        where = at_user_line(problem) or _entry_line(problem)
        raise error(f"{what} failed: {summary(problem)}{where}") from problem


def import_module(name: str, *, error: type[MobilekitError]) -> ModuleType:
    """Import `package.module`, also from the current folder. Raises `error` naming the user's line."""
    _see_current_folder()
    return guarded(lambda: importlib.import_module(name), what=f"importing {name}", error=error)


def function_of(module: ModuleType, name: str, *, place: str, error: type[MobilekitError]) -> Callable[..., Any]:
    """The function or class called `name`; raises `error` with those that the module has."""
    function = getattr(module, name, None)
    if callable(function):
        return function  # type: ignore[no-any-return]
    own = [key for key, value in vars(module).items() if callable(value) and not key.startswith("_")]
    offered = sorted(key for key in own if getattr(vars(module)[key], "__module__", None) == module.__name__)
    raise error(f"{place} has no function {name!r}", hint=f"it has: {', '.join(offered[:12]) or 'none'}")


def is_module(name: str) -> bool:
    """Whether `name` could be imported, here or from the current folder."""
    if not all(part.isidentifier() for part in name.split(".")):
        return False
    _see_current_folder()
    importlib.invalidate_caches()
    try:
        return importlib.util.find_spec(name) is not None
    except (ImportError, ValueError, AttributeError):
        return False
    except Exception:  # a parent package that fails while it is imported: it is there, and importing it tells why
        return True


def at_user_line(error: BaseException) -> str:
    r"""`\n  at file.py:12, in forward: y = self.head(x)`, the innermost frame of the user's own, or an empty string."""
    if isinstance(error, SyntaxError) and error.filename and is_user_file(error.filename):
        return f"\n  at {error.filename}:{error.lineno}: {(error.text or '').strip()}"
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if is_user_file(frame.filename)]
    return _shown(frames[-1]) if frames else ""


def is_user_file(filename: str) -> bool:
    """Whether a file is the user's own code: not the standard library's, a package's, or mobilekit's."""
    if filename.startswith("<"):
        return False
    path = Path(filename).resolve()
    if path.is_relative_to(_PACKAGE / "zoo"):  # models that come with the wheel are like the user's own
        return True
    return not any(path.is_relative_to(place) for place in _library_places())


def summary(error: BaseException, *, said: str | None = None, longest: int = 300) -> str:
    """`ValueError: what it said` in one line of bounded length: some libraries put a whole graph there."""
    text = " ".join((str(error) if said is None else said).split())
    text = text if len(text) <= longest else f"{text[: longest - 1].rstrip()}…"
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _entry_line(error: BaseException) -> str:
    """For a function in an installed package: its own line, outermost of the frames that are not ours."""
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith("<")
        and not Path(frame.filename).resolve().is_relative_to(_PACKAGE)
        and "importlib" not in Path(frame.filename).parts
    ]
    return _shown(frames[0]) if frames else ""


def _shown(frame: traceback.FrameSummary) -> str:
    return f"\n  at {frame.filename}:{frame.lineno}, in {frame.name}: {frame.line}"


@functools.cache
def _library_places() -> tuple[Path, ...]:
    places = [sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")]
    places += [*site.getsitepackages(), site.getusersitepackages(), str(_PACKAGE)]
    return tuple(Path(place).resolve() for place in places)


def _see_current_folder() -> None:
    """`mobilekit` as a command does not have the current folder on its path, as `python -m` does."""
    if str(Path.cwd()) not in sys.path:
        sys.path.append(str(Path.cwd()))
