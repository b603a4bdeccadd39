"""espeak-ng: words spoken by a program. Refuses to go on without it, or without a voice that is asked for.

espeak-ng speaks with another voice, and without a word, where a variant does not exist: so they are looked up first.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from mobilekit.errors import MissingDependency, SetupError

PROGRAM = "espeak-ng"
INSTALL = "apt install espeak-ng (Debian, Ubuntu) or brew install espeak-ng (macOS)"
_SECONDS = 30.0
_HEADER_BYTES = 44


def espeak_version() -> str | None:
    """For example `1.51`; None where espeak-ng is not installed or does not answer."""
    if shutil.which(PROGRAM) is None:
        return None
    words = _run("--version").stdout.decode(errors="replace").partition(":")[2].split()
    return words[0] if words else None


def require_espeak(voices: Iterable[str]) -> str:
    """The version of espeak-ng, which has all `voices` (`<language>+<variant>`). Raises SetupError."""
    version = espeak_version()
    if version is None:
        raise MissingDependency("espeak-ng is not installed; it speaks these words", hint=INSTALL)
    known = {part: _files(part) for part in ("en", "variant")}
    wanted = sorted(set(voices))
    missing = [
        voice
        for voice in wanted
        if voice.partition("+")[0] not in known["en"] or voice.partition("+")[2] not in known["variant"]
    ]
    if missing:
        raise SetupError(
            f"espeak-ng {version} has no voice {', '.join(missing[:5])}{', …' if len(missing) > 5 else ''}",
            hint=f"version 1.51 has them: {INSTALL}",
        )
    return version


def say(text: str, voice: str, *, words_per_minute: int, pitch: int) -> tuple[NDArray[np.int16], int]:
    """Speak `text`: int16 (n,), mono, and its sampling rate in Hz. `pitch` is 0 to 99. Raises SetupError."""
    done = _run("-v", voice, "-s", str(words_per_minute), "-p", str(pitch), "--stdout", text)
    # The header's sizes are those of a stream, which has no end; the rest of it is as always.
    if done.returncode or len(done.stdout) <= _HEADER_BYTES or done.stdout[:4] != b"RIFF":
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise SetupError(
            f"espeak-ng did not speak {text!r} as {voice}: {said[-1] if said else 'no sound'}", hint=INSTALL
        )
    rate = int.from_bytes(done.stdout[24:28], "little")
    body = done.stdout[_HEADER_BYTES:]
    return np.frombuffer(body[: len(body) // 2 * 2], "<i2").astype(np.int16), rate


def _files(part: str) -> set[str]:
    """The languages, or the names of the variants' files, that espeak-ng has."""
    lines = _run(f"--voices={part}").stdout.decode(errors="replace").splitlines()[1:]
    if part == "variant":
        return {word.partition("!v/")[2] for line in lines for word in line.split() if word.startswith("!v/")}
    return {line.split()[1] for line in lines if len(line.split()) > 1}


def _run(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(
            [PROGRAM, *arguments], capture_output=True, stdin=subprocess.DEVNULL, timeout=_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SetupError(f"espeak-ng does not run: {error}", hint=INSTALL) from error
