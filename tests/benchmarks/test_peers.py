"""benchmarks/peers: scripts stand alone, lists are pinned, the page says who is ahead, and a comparison for real."""

from __future__ import annotations

import ast
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

ROOT = Path(__file__).resolve().parents[2]
PEERS = ROOT / "benchmarks" / "peers"
STANDALONE = [PEERS / "worker.py", *(one for one in (PEERS / "convert").glob("*.py") if one.name != "ours.py")]
BARE = {"numpy", "common", *sys.stdlib_module_names}


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The module, whose siblings are found beside it as when the program runs."""
    monkeypatch.syspath_prepend(PEERS)
    before = set(sys.modules)
    import table

    yield table
    for name in set(sys.modules) - before:
        if Path(str(getattr(sys.modules[name], "__file__", ""))).is_relative_to(PEERS):
            del sys.modules[name]


def command(*words: object, cache: Path | None = None) -> subprocess.CompletedProcess[str]:
    variables = {**os.environ, "MOBILEKIT_CACHE": str(cache)} if cache else dict(os.environ)
    return subprocess.run(
        [sys.executable, str(PEERS / "run.py"), *map(str, words)],
        capture_output=True,
        text=True,
        check=False,
        env=variables,
        cwd=ROOT,
    )


@pytest.mark.parametrize("script", STANDALONE, ids=lambda one: str(one.name))
def test_what_runs_in_a_peers_environment_needs_nothing_that_it_lacks(script: Path) -> None:
    tree = ast.parse(script.read_text())
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    names |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert not {name for name in names if name.split(".")[0] == "mobilekit"}
    at_once = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    tops = {alias.name for node in at_once if isinstance(node, ast.Import) for alias in node.names}
    tops |= {str(node.module) for node in at_once if isinstance(node, ast.ImportFrom)}
    assert {name.split(".")[0] for name in tops} <= BARE


@pytest.mark.parametrize("pins", sorted((PEERS / "requirements").glob("*.txt")), ids=lambda one: str(one.name))
def test_lists_are_pinned_and_hold_no_address(pins: Path) -> None:
    for line in pins.read_text().splitlines():
        assert re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.+!]+", line), line


def test_every_contender_has_what_it_needs(table: ModuleType) -> None:
    import contenders
    import environments
    import worker

    for one in contenders.CONTENDERS:
        assert one.script.is_file()
        assert one.runtime in worker.RUNTIMES
        assert one.environment in (contenders.PROJECT, *environments.names())


def row(contender: str, scheme: str = "int8", **changes: Any) -> dict[str, Any]:
    latency = {"median_ms": 1.0, "ci95": [0.9, 1.1], "p90_ms": 1.2, "min_ms": 0.9, "n": 100, "rounds": 10}
    export = {"seconds": 20.0, "cpu_seconds": 10.0, "schemes": ["fp32", "int8"], "load": 0.5}
    figures = {"n": 100, "correct": 90, "accuracy": 0.9, "agreement": 0.95, "bytes": 1000, "accuracy_p": 1.0}
    base = {"kind": "row", "run": "r", "contender": contender, "scheme": scheme, "versions": {contender: "1"}}
    return {**base, **figures, "latency": latency, "export": export, **changes}


def ratio(value: float, low: float, high: float) -> dict[str, Any]:
    return {"to": "mobilekit-pte", "value": value, "ci95": [low, high]}


def test_a_peer_that_is_ahead_is_said_to_be(table: ModuleType) -> None:
    peer = row("litert", ratio=ratio(0.8, 0.7, 0.9), correct=99, accuracy_p=0.01, bytes=900)
    peer["export"] = {**peer["export"], "cpu_seconds": 4.0}
    text = "\n".join(table.ahead([row("mobilekit-pte"), peer]))
    assert "**faster**, 0.80 [0.70, 0.90]" in text
    assert "**more accurate**, 9 more of 100 right" in text
    assert "**smaller** by 10.0 %" in text
    assert "**exports in less time**, 4 CPU seconds against 10" in text


def test_a_peer_ahead_in_the_same_runtime_alone_is_said_too(table: ModuleType) -> None:
    ours = [row("mobilekit-pte"), row("mobilekit-onnx")]
    ours[1]["latency"] = {**ours[1]["latency"], "median_ms": 4.0, "ci95": [3.9, 4.1]}
    peer = row("onnxruntime", ratio=ratio(3.0, 2.9, 3.1))
    peer["latency"] = {**peer["latency"], "median_ms": 3.0, "ci95": [2.9, 3.1]}
    assert "**faster** than **mobilekit** .onnx in the same runtime, 0.75 of its time" in "".join(
        table.ahead([*ours, peer])
    )
    peer["latency"]["ci95"] = [2.9, 3.95]
    assert "faster" not in "".join(table.ahead([*ours, peer]))


def test_what_lies_within_noise_is_not_called_ahead(table: ModuleType) -> None:
    level = row("litert", ratio=ratio(0.99, 0.9, 1.05))
    assert table.ahead([row("mobilekit-pte"), level]) == ["No peer was ahead of mobilekit in anything measured here."]
    lucky = row("litert", ratio=ratio(1.2, 1.1, 1.3), correct=91, accuracy_p=0.9)
    (line,) = [one for one in table.ahead([row("mobilekit-pte"), lucky]) if one.startswith("- ")]
    assert "within chance" in line
    assert "**" not in line.replace(table.TITLES["litert"], "")


def test_a_float_only_export_is_not_held_against_ours(table: ModuleType) -> None:
    only = row("ncnn", "fp32", ratio=ratio(1.2, 1.1, 1.3))
    only["export"] = {"seconds": 1.0, "cpu_seconds": 1.0, "schemes": ["fp32"]}
    assert "less time" not in "\n".join(table.ahead([row("mobilekit-pte", "fp32"), only]))


def test_the_page_shows_the_last_run_of_a_model_and_the_reasons(table: ModuleType, tmp_path: Path) -> None:
    machine = {"processor": "a processor", "cores": 2}
    run = {"kind": "run", "run": "old", "model": "net", "shape": [1, 3, 8, 8], "parameters": 5, "data": "digits"}
    run |= {"eager": 0.9, "date": "today", "python": "3.11", "commit": "c", "sessions": 1, "rounds": 2}
    run |= {"machine": machine, "load_before": 0.1, "load_after": 0.2, "noise": {"disturbances": ["others worked"]}}
    refused = {"kind": "row", "run": "r", "contender": "ncnn", "scheme": "int8", "reason": "no tools | at all"}
    records = [run, row("litert", run="old", bytes=777), {**run, "run": "r"}, row("mobilekit-pte"), refused]
    file = tmp_path / "peers.jsonl"
    file.write_text("".join(json.dumps(one) + "\n" for one in records) + '{"kind": "row", "ru')
    text = table.page(table.read(file))
    assert text.count("## net") == 1
    assert "777" not in text
    assert "| int8 | no tools \\| at all | | | | | |" in text
    assert "**While timing, others worked**" in text
    assert "0.5 to 0.5 while converting, 0.1 before timing and 0.2 after it" in text
    widths = {len(re.findall(r"(?<!\\)\|", line)) for line in text.splitlines() if line.startswith("|")}
    assert widths == {9}


def test_the_worker_answers_times_and_refuses(tmp_path: Path) -> None:
    graph = helper.make_graph(
        [helper.make_node("Neg", ["x"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 3])],
    )
    model, inputs, outputs = tmp_path / "m.onnx", tmp_path / "in.npy", tmp_path / "out.npy"
    onnx.save(helper.make_model(graph, ir_version=10, opset_imports=[helper.make_opsetid("", 17)]), str(model))
    samples = np.arange(6, dtype=np.float32).reshape(2, 3)
    np.save(inputs, samples)
    asked: list[dict[str, Any]] = [
        {"do": "load", "files": [str(tmp_path / "none.onnx")], "threads": 1},
        {"do": "load", "files": [str(model)], "threads": 1},
        {"do": "run", "inputs": str(inputs), "outputs": str(outputs)},
        {"do": "time", "inputs": str(inputs), "calls": 4, "warmup": 1, "seconds": 60},
        {"do": "time", "inputs": str(inputs), "calls": 4, "warmup": 0, "seconds": 0},
    ]
    done = subprocess.run(
        [sys.executable, str(PEERS / "worker.py"), "onnxruntime"],
        input="".join(json.dumps(one) + "\n" for one in asked),
        capture_output=True,
        text=True,
        check=True,
    )
    refused, loaded, ran, timed, short = map(json.loads, done.stdout.splitlines())
    assert "none.onnx" in refused["error"]
    assert loaded["load_ms"] > 0
    assert ran == {"samples": 2}
    assert np.array_equal(np.load(outputs), -samples)
    assert len(timed["nanoseconds"]) == 4
    assert len(short["nanoseconds"]) == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["run", "no_such_model", "--data", "digits"], "no_such_model"),
        (["run", "digits_cnn", "--data", "imagefolder:/no/such/place"], "/no/such/place"),
        (["run", "digits_cnn", "--data", "digits", "--only", "lite"], "litert"),
        (["run", "digits_cnn", "--data", "digits", "--test", "0"], "at least 1"),
        (["setup", "lite"], "litert"),
    ],
)
def test_bad_words_end_in_a_sentence(words: list[str], said: str, tmp_path: Path) -> None:
    more = ["--results", str(tmp_path / "peers.jsonl")] if words[0] == "run" else []
    done = command(*words, *more)
    assert done.returncode != 0
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_a_stop_leaves_nothing_behind(tmp_path: Path) -> None:
    """Stopped while a converter is at work: no processes, no folders, no half results."""
    words = ["run", "digits_cnn", "--data", "digits", "--results", tmp_path / "peers.jsonl", "--test", 4]
    place = tmp_path / "temporary"
    place.mkdir()
    with subprocess.Popen(
        [sys.executable, str(PEERS / "run.py"), *map(str, words), "--calibration", "2"],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(place)},
        cwd=ROOT,
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if "converting" in line:
                break
        time.sleep(0.5)
        (folder,) = place.glob("peers-*")
        process.send_signal(signal.SIGTERM)
        rest = process.stderr.read()
    assert process.returncode == 128 + signal.SIGTERM
    assert "Traceback" not in rest
    assert not list(place.glob("peers-*"))
    assert not (tmp_path / "peers.jsonl").exists()
    assert not [one for one in Path("/proc").glob("[0-9]*/cmdline") if str(folder) in _read(one)]


def _read(file: Path) -> str:
    try:
        return file.read_text(errors="replace")
    except OSError:
        return ""  # it ended meanwhile


@pytest.mark.slow
def test_a_comparison_for_real(tmp_path: Path) -> None:
    """Ours on the smallest model; a peer that is not set up says how to set it up."""
    words = [
        "run",
        "digits_cnn",
        "--data",
        "digits",
        "--only",
        "litert",
        "mobilekit-onnx",
        "--test",
        20,
        "--calibration",
        4,
    ]
    done = command(*words, "--sessions", 1, "--rounds", 2, "--results", tmp_path / "peers.jsonl", cache=tmp_path / "c")
    assert done.returncode == 0, done.stderr
    run, *rows = [json.loads(line) for line in (tmp_path / "peers.jsonl").read_text().splitlines()]
    assert run["model"] == "digits_cnn"
    ours = [one for one in rows if one["contender"].startswith("mobilekit")]
    assert len(ours) == 2
    assert all(one["n"] == 20 and one["agreement"] > 0.8 and one["latency"]["n"] >= 10 for one in ours)
    assert all("setup litert" in one["reason"] for one in rows if one["contender"] == "litert")
    text = (tmp_path / "peers.md").read_text()
    assert "## digits_cnn" in text
    assert str(tmp_path) not in text
