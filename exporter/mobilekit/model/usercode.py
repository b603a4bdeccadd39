"""Running the user's Python: import a function, call it, and name the user's own line when it fails."""

from __future__ import annotations

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

from mobilekit.errors import ModelError, UsageError

R = TypeVar("R")


def load_function(target: str, *, what: str = "model") -> Callable[..., Any]:
    """The function that `path/to/file.py:name` or `package.module:name` names.

    Raises UsageError when there is no such file, module or function, ModelError when importing it fails.
    """
    place, _, name = target.rpartition(":")
    if not place or not name:
        raise UsageError(f"{what} {target!r} must be path/to/file.py:function or package.module:function")
    module = _load_file(Path(place)) if place.endswith(".py") else _load_module(place)
    function = getattr(module, name, None)
    if not callable(function):
        offered = sorted(key for key, value in vars(module).items() if callable(value) and not key.startswith("_"))
        raise UsageError(f"{place} has no function {name!r}", hint=f"it has: {', '.join(offered[:12]) or 'none'}")
    return function  # type: ignore[no-any-return]


def call_user(function: Callable[..., R], *args: Any, what: str, **kwargs: Any) -> R:
    """Call the user's function; its exceptions become ModelError with the user's line."""
    try:
        return function(*args, **kwargs)
    except Exception as error:
        raise ModelError(f"{what} failed: {type(error).__name__}: {error}{at_user_line(error)}") from error


def at_user_line(error: BaseException) -> str:
    """`\\n  at file.py:12, in forward: y = self.head(x)` for the innermost frame outside libraries, or an empty string."""
    frame = user_frame(error)
    return f"\n  at {frame.filename}:{frame.lineno}, in {frame.name}: {frame.line}" if frame else ""


def user_frame(error: BaseException) -> traceback.FrameSummary | None:
    """The innermost traceback frame that is neither the standard library's, a package's, nor mobilekit's own."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if is_user_file(frame.filename)]
    return frames[-1] if frames else None


def is_user_file(filename: str) -> bool:
    """Whether a file is the user's own code."""
    if filename.startswith("<"):
        return False
    path = Path(filename).resolve()
    return not any(path.is_relative_to(place) for place in _library_places())


def _library_places() -> tuple[Path, ...]:
    places = [sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")]
    places += [*site.getsitepackages(), site.getusersitepackages(), str(Path(__file__).parents[1])]
    zoo = Path(__file__).parents[1] / "zoo"
    return tuple(place for text in places if (place := Path(text).resolve()) != zoo)


def _load_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise UsageError(f"no such file: {path}", hint="a model in a file is path/to/file.py:build")
    name = f"mobilekit_user_{path.stem}_{abs(hash(path.resolve()))}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise UsageError(f"{path} cannot be imported as Python")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and torch.export look modules up by name
    folder = str(path.resolve().parent)
    sys.path.insert(0, folder)  # so that a model may import its neighbours, as with `python file.py`
    try:
        call_user(spec.loader.exec_module, module, what=f"importing {path}")
    except ModelError:
        sys.modules.pop(name, None)
        raise
    finally:
        sys.path.remove(folder)
    return module


def _load_module(name: str) -> ModuleType:
    if str(Path.cwd()) not in sys.path:
        sys.path.append(str(Path.cwd()))
    try:
        found = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        found = None
    if found is None:
        raise UsageError(
            f"no Python module {name!r}", hint="install it, or start mobilekit from the folder that holds it"
        )
    return call_user(importlib.import_module, name, what=f"importing {name}")
