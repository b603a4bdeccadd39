"""AAR: which operators and backends a prebuilt ExecuTorch library registers, read from its shared libraries.

A kernel registers under a name such as `aten::add.out`, a backend under one such as `XnnpackBackend`; both stand in
the library as text. Nothing is executed. Refuses what is no AAR, and one without ExecuTorch in it.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterable
from pathlib import Path

from mobilekit.embed.runtimes import Kit
from mobilekit.errors import UsageError

_NAME = rb"(?<![\x20-\x7e])(%s)\x00"
_OPERATOR = re.compile(_NAME % rb"[a-z_][a-z0-9_]*::[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)?")
# XNNPACK's magic number for its data, XH00, stands right before the name in Android's libraries.
_BACKEND = re.compile(rb"(?<![\x20-\x7e])(?:[A-Z]{2}\d\d)?([A-Z][A-Za-z]*Backend)\x00")
_OPERATOR_SPACES = ("aten::", "dim_order_ops::", "et_copy::", "executorch_prim::", "quantized_decomposed::", "llama::")
"""Names of C++ functions (`vector::reserve`) look the same; operators of other name spaces are not known here."""
_NOT_BACKENDS = frozenset({"InitBackend"})
_ABIS = ("arm64-v8a", "x86_64")
_LARGEST = 400_000_000  # bytes of one library, unpacked: three times today's largest
_PRODUCTS = {
    "executorch": "libexecutorch.so",
    "backend_xnnpack": "libexecutorch_backend_xnnpack.so",
    "kernels_optimized": "libexecutorch_kernels_optimized.so",
    "kernels_quantized": "libexecutorch_kernels_quantized.so",
}


def registered(library: bytes) -> Kit:
    """The operators and backends that stand in the library's bytes."""
    operators = {found.decode() for found in _OPERATOR.findall(library)}
    backends = {found.decode() for found in _BACKEND.findall(library)} - _NOT_BACKENDS
    return Kit(
        operators=tuple(sorted(one for one in operators if one.startswith(_OPERATOR_SPACES))),
        backends=tuple(sorted(backends)),
    )


def united(kits: Iterable[Kit]) -> Kit:
    """What all of them register together."""
    listed = list(kits)
    return Kit(
        operators=tuple(sorted({name for kit in listed for name in kit.operators})),
        backends=tuple(sorted({name for kit in listed for name in kit.backends})),
    )


def read_aar(path: Path) -> Kit:
    """What the libraries of one ABI in the AAR register together, or one library that lies outside of it, a .so.

    Raises UsageError for what is neither.
    """
    cure = "name the executorch-android AAR, for example the one that Gradle downloaded"
    try:
        if path.suffix == ".so":
            kit = registered(path.read_bytes())
        else:
            with zipfile.ZipFile(path) as archive:
                kit = _of_archive(archive)
    except FileNotFoundError:
        raise UsageError(f"{path}: no such file", hint=cure) from None
    except (OSError, zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
        raise UsageError(f"{path}: not an AAR that can be read: {error}", hint=cure) from error
    if not kit.operators:
        raise UsageError(f"{path}: no ExecuTorch library is in it that registers operators", hint=cure)
    return kit


def _of_archive(archive: zipfile.ZipFile) -> Kit:
    for abi in _ABIS:
        inside = [one for one in archive.infolist() if re.fullmatch(rf"jni/{abi}/[^/]+\.so", one.filename)]
        if any(one.file_size > _LARGEST for one in inside):
            raise ValueError(f"a library of {abi} is too large to be one of ExecuTorch's")
        if inside:
            return united(registered(archive.read(one)) for one in inside)
    raise ValueError(f"it has no libraries for {' or '.join(_ABIS)}")


def read_wheel(folder: Path) -> dict[str, Kit]:
    """By product, what the libraries of an installed `executorch` package register. Raises UsageError."""
    try:
        return {name: registered((folder / "lib" / file).read_bytes()) for name, file in _PRODUCTS.items()}
    except OSError as error:
        raise UsageError(f"{error.filename}: cannot be read", hint="name the folder executorch/ of a wheel") from error
