"""The user's model code: the function that builds it, from a file or a module. Its failures name the user's line."""

from __future__ import annotations

import hashlib
import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from mobilekit.errors import ModelError, UsageError
from mobilekit.usercode import function_of, guarded, import_module, is_module

R = TypeVar("R")


def load_function(target: str) -> Callable[..., Any]:
    """The function that `path/to/file.py:name` or `package.module:name` names.

    Raises UsageError when there is no such file, module or function, ModelError when importing it fails.
    """
    place, _, name = target.rpartition(":")
    if not place or not name.isidentifier():
        raise UsageError(f"model {target!r} must be path/to/file.py:function or package.module:function")
    if place.endswith(".py"):
        return function_of(_load_file(Path(place)), name, place=place, error=UsageError)
    if not is_module(place):
        raise UsageError(
            f"no Python module {place!r}", hint="install it, or start mobilekit from the folder that holds it"
        )
    return function_of(import_module(place, error=ModelError), name, place=place, error=UsageError)


def call_user(function: Callable[..., R], *args: Any, what: str) -> R:
    """Call the user's function; its exceptions become ModelError with the user's line."""
    return guarded(lambda: function(*args), what=what, error=ModelError)


def _load_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise UsageError(f"no such file: {path}", hint="a model in a file is path/to/file.py:build")
    path = path.resolve()
    # The same name in every process: it gets into the captured program, whose hash later exports know it by.
    name = f"mobilekit_user_{path.stem}_{hashlib.sha256(str(path).encode()).hexdigest()[:16]}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise UsageError(f"{path} cannot be imported as Python")
    module = importlib.util.module_from_spec(spec)
    execute, folder = spec.loader.exec_module, str(path.parent)
    sys.modules[name] = module  # dataclasses and torch.export look modules up by name
    sys.path.insert(0, folder)  # so that a model may import its neighbours, as with `python file.py`
    try:
        guarded(lambda: execute(module), what=f"importing {path}", error=ModelError)
    except BaseException:
        sys.modules.pop(name, None)
        raise
    finally:
        if folder in sys.path:
            sys.path.remove(folder)
    return module
