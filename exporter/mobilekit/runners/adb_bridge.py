"""Bridge: a worker that has its program on an Android device, `python -m mobilekit.runners.adb_bridge SERIAL FOLDER`.

Requests and replies go through `adb shell`'s standard input and output as they are, arrays through files over there.
Timings are refused when the device was too hot for them: it waits for it to cool, and looks again afterwards. What
goes wrong over there ends this process in the same way, so that its caller tells it in the usual words.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import secrets
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import BinaryIO

from mobilekit.errors import MobilekitError, RunnerError
from mobilekit.runners.adb import ADB
from mobilekit.runners.arm64 import LOADER
from mobilekit.runners.build import PROGRAM
from mobilekit.runners.protocol import Load, ProfileRuns, Refused, Run, Time, decode_request, encode
from mobilekit.runners.worker import end_with_caller, in_its_own_words

PLACE = "/data/local/tmp"
_COMMAND_SECONDS = 120.0
_COOLING_SECONDS, _LOOK_SECONDS = 120.0, 5.0
_FREQUENCIES = "cat /sys/devices/system/cpu/cpu[0-9]*/cpufreq/scaling_max_freq"


class Device:
    """One device, through adb."""

    def __init__(self, serial: str) -> None:
        self._adb = [ADB, *(["-s", serial] if serial else [])]

    def require_arm(self) -> None:
        """Raises RunnerError when no device answers, or it is not a 64-bit Arm."""
        done = subprocess.run([*self._adb, "get-state"], capture_output=True, text=True, timeout=30, check=False)
        if done.returncode or done.stdout.strip() != "device":
            said = (done.stderr or done.stdout).strip().splitlines()
            raise RunnerError(
                f"no device answers: {said[-1] if said else 'adb says nothing'}",
                hint="connect one, allow USB debugging on it; adb devices lists those that are there",
            )
        abi = self.shell("getprop ro.product.cpu.abi").strip()
        if abi != "arm64-v8a":
            raise RunnerError(f"the device is {abi or 'of an unknown kind'}, and the runner is for arm64-v8a")

    def shell(self, command: str, *, given: BinaryIO | None = None) -> str:
        """What a command prints over there. Raises RunnerError when it fails."""
        done = subprocess.run(
            [*self._adb, "shell", "-T", command],
            stdin=given or subprocess.DEVNULL,
            capture_output=True,
            timeout=_COMMAND_SECONDS,
            check=False,
        )
        if done.returncode:
            said = done.stderr.decode(errors="replace").strip() or f"exit code {done.returncode}"
            raise RunnerError(f"the device did not do it: {said}")
        return done.stdout.decode(errors="replace")

    def push(self, source: Path, target: str) -> None:
        done = subprocess.run(
            [*self._adb, "push", str(source), target],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_COMMAND_SECONDS,
            check=False,
        )
        if done.returncode:
            raise RunnerError(f"{source.name} did not get to the device: {(done.stderr or done.stdout).strip()[-300:]}")

    def fetch(self, source: str, target: int) -> None:
        """The bytes of a file over there, as the content of an open file here."""
        os.lseek(target, 0, os.SEEK_SET)
        os.ftruncate(target, 0)
        command = [*self._adb, "exec-out", f"cat {source}"]
        if subprocess.run(command, stdin=subprocess.DEVNULL, stdout=target, timeout=600, check=False).returncode:
            raise RunnerError("the outputs did not come back from the device")

    def start(self, command: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [*self._adb, "shell", "-T", command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
        )

    def heat(self) -> int | None:
        """Android's thermal status: 0 is none, from 1 on it slows down. None where it does not tell."""
        with contextlib.suppress(RunnerError, subprocess.TimeoutExpired):
            found = re.search(r"Thermal Status: (\d+)", self.shell("dumpsys thermalservice"))
            return int(found[1]) if found else None
        return None

    def frequencies(self) -> list[int]:
        """The highest clock that each core is allowed at this moment; empty where it does not tell."""
        with contextlib.suppress(RunnerError, subprocess.TimeoutExpired):
            return [int(one) for one in self.shell(_FREQUENCIES).split() if one.isdigit()]
        return []


class Session:
    """The program on the device, and the folder that it runs in. The device removes the folder when it ends."""

    def __init__(self, device: Device, brought: Path, threads: int) -> None:
        self._device = device
        home = f"{PLACE}/mobilekit-{hashlib.sha256(str(brought).encode()).hexdigest()[:16]}"
        self.folder = f"{PLACE}/mobilekit-run-{secrets.token_hex(6)}"
        if "complete" not in device.shell(f"ls {home} 2>/dev/null || true").split():
            device.shell(f"rm -rf {home} && mkdir -p {home}")
            for one in sorted(brought.iterdir()):
                device.push(one, f"{home}/{one.name}")
            device.shell(f"chmod 755 {home}/* && echo 1 > {home}/complete")
        device.shell(f"mkdir -p {self.folder} && : > {self.folder}/inputs && : > {self.folder}/outputs")
        own = not (brought / LOADER).exists()  # compiled for Android, whose loader every program there has
        start = f"LD_LIBRARY_PATH={home}" if own else f"{home}/{LOADER} --library-path {home}"
        program = f"{start} {home}/{PROGRAM} {threads} 3 4 - 5 6"
        files = "3<&0 4>&1 5<inputs 6<>outputs </dev/null >log 2>&1"
        self._process = device.start(
            f"trap 'rm -rf {self.folder}' EXIT HUP TERM; cd {self.folder} && {program} {files}; "
            "code=$?; cat log >&2; exit $code"
        )

    def answer(self, line: bytes, inputs: int, outputs: int) -> bytes:
        """The reply to a request, with its files there and back. Ends the process when the device's has ended."""
        request = decode_request(line)
        if isinstance(request, Load):
            self._device.push(Path(request.artifact), f"{self.folder}/model.pte")
            line = encode(request.model_copy(update={"artifact": "model.pte"}))  # it runs in that folder
        elif isinstance(request, Run | Time | ProfileRuns):
            os.lseek(inputs, 0, os.SEEK_SET)
            with os.fdopen(os.dup(inputs), "rb") as given:
                # cat and not push: the program holds this very file open
                self._device.shell(f"cat > {self.folder}/inputs", given=given)
        if isinstance(request, Time):
            return self._timed(line)
        reply = self.ask(line)
        if isinstance(request, Run | ProfileRuns):
            self._device.fetch(f"{self.folder}/outputs", outputs)
        return reply

    def ask(self, line: bytes | None) -> bytes:
        """One line there (None: none), one line back."""
        assert self._process.stdin
        assert self._process.stdout
        with contextlib.suppress(BrokenPipeError):
            if line is not None:
                self._process.stdin.write(line)
        reply = b""
        while not reply.endswith(b"\n"):
            part = self._process.stdout.readline()
            if not part:
                _end_like(self._process.wait(30))
            reply += part
        return reply

    def close(self) -> None:
        """No more requests: the program over there ends, and its folder goes."""
        assert self._process.stdin
        self._process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(10)

    def _timed(self, line: bytes) -> bytes:
        deadline = time.monotonic() + _COOLING_SECONDS
        while (heat := self._device.heat()) and time.monotonic() < deadline:
            time.sleep(_LOOK_SECONDS)
        if heat:
            raise RunnerError(f"the device is hot (thermal status {heat}) and does not cool", hint="let it rest")
        before = self._device.frequencies()
        reply = self.ask(line)
        if heat := self._device.heat():
            raise RunnerError(f"the device got hot while it was timed (thermal status {heat})", hint="let it rest")
        if sum(self._device.frequencies()) < sum(before):
            raise RunnerError("the device lowered its clock while it was timed", hint="let it rest, and charge it")
        return reply


def _end_like(code: int) -> None:
    """End as the program over there did. A shell's exit code above 128 is a signal."""
    sys.stderr.flush()
    if 128 < code < 128 + signal.NSIG:
        with contextlib.suppress(OSError, ValueError):
            signal.signal(code - 128, signal.SIG_DFL)
        os.kill(os.getpid(), code - 128)
    os._exit(code or 1)


def main(serial: str, folder: str, threads: int, *descriptors: int) -> None:
    """Bring the program to the device, say so, and pass requests on until the caller closes its end."""
    for one in descriptors:
        os.set_inheritable(one, False)
    requests, replies, lifeline, inputs, outputs = descriptors
    end_with_caller(lifeline)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the caller's to handle
    with os.fdopen(requests, "rb") as reader, os.fdopen(replies, "wb", buffering=0) as writer:
        try:
            device = Device(serial)
            device.require_arm()
            session = Session(device, Path(folder), threads)
            writer.write(session.ask(None))
        except Exception as error:
            writer.write(_refusal(error))
            return
        while line := reader.readline():
            try:
                reply = session.answer(line, inputs, outputs)
            except Exception as error:
                reply = _refusal(error)
            writer.write(reply)
        session.close()


def _refusal(error: Exception) -> bytes:
    hint = error.hint if isinstance(error, MobilekitError) else None
    return encode(Refused(message=in_its_own_words(error), hint=hint))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), *(int(one) for one in sys.argv[4:]))
