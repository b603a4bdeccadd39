"""Measuring: each contender converts, answers the test samples in its own runtime, then takes turns with the others.

A row for every contender and scheme: figures, or the one line that says why there are none.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from contenders import HERE, SCHEMES, Contender
from environments import python_of
from material import EAGER, LABELS, TEST, Material
from processes import RefusedError, Worker, run_timed
from scipy.stats import binomtest

from mobilekit.bench.noise import Watch, disturbances
from mobilekit.bench.pinning import quiet_cores
from mobilekit.bench.stats import median_interval, ratio_of_rounds, summarize
from mobilekit.bench.turns import load_order, order_of_round

Row = dict[str, Any]
Say = Callable[[str], None]
CONVERSION_LIMIT_S = 1800
BLOCK_S, LEAST_CALLS, MOST_CALLS = 0.06, 5, 300
"""A block is this long, within these numbers of calls: short, so that a disturbance hits all contenders alike."""


def export_onnx(material: Material) -> dict[str, float]:
    """Make the float ONNX file that several start from; what that took is added to each of theirs."""
    python = python_of("project")
    assert python is not None
    _, took = run_timed(
        "project",
        [python, HERE / "material.py", material.folder],
        cores=quiet_cores(1),
        limit_s=CONVERSION_LIMIT_S,
    )
    return took


def convert(contender: Contender, model: str, material: Material, onnx: dict[str, float]) -> list[Row]:
    """Float and int8 by one process. `export` is all of that process, imports and start included."""
    rows = [{"contender": contender.name, "scheme": scheme} for scheme in SCHEMES]
    python = python_of(contender.environment)
    if python is None:
        reason = f"not set up here: python benchmarks/peers/run.py setup {contender.environment}"
        return [{**row, "reason": reason} for row in rows]
    out = material.folder / contender.name
    out.mkdir()
    words = (*contender.words, model) if contender.ours else contender.words
    try:
        reply, took = run_timed(
            contender.environment,
            [python, contender.script, material.folder, out, *words],
            cores=quiet_cores(1),
            limit_s=CONVERSION_LIMIT_S,
        )
    except RefusedError as error:
        return [{**row, "reason": f"conversion: {error}"} for row in rows]
    if contender.from_onnx:
        took = {name: took[name] + onnx[name] for name in took}
    complete = all("files" in made for made in reply["made"].values())
    export: dict[str, Any] = {name: round(value, 2) for name, value in took.items()}
    export |= {"schemes": SCHEMES if complete else ["fp32"], "load": round(os.getloadavg()[0], 1)}
    return [
        {**row, "versions": reply["versions"], "export": export, **_made(reply["made"][row["scheme"]])} for row in rows
    ]


def _made(made: dict[str, Any]) -> Row:
    if "reason" in made:
        return {"reason": made["reason"]}
    return {"files": made["files"], "bytes": made["bytes"]}


def answer(rows: Sequence[Row], by_name: dict[str, Contender], material: Material, say: Say) -> None:
    """Add accuracy and agreement with PyTorch's own answers to each row that has files."""
    labels, eager = np.load(material.folder / LABELS), np.load(material.folder / EAGER)
    found = {}
    for row in rows:
        if "files" not in row:
            continue
        say(f"{row['contender']} {row['scheme']}: answering {len(labels)} samples")
        outputs = material.folder / f"{row['contender']}.{row['scheme']}.npy"
        try:
            with _worker(by_name[row["contender"]]) as worker:
                worker.ask("load", files=row["files"], threads=1)
                worker.ask("run", inputs=str(material.folder / TEST), outputs=str(outputs), limit_s=3600)
            given = np.load(outputs)
            if given.shape != eager.shape:
                raise RefusedError(f"answers have the shape {given.shape} instead of {eager.shape}")
        except RefusedError as error:
            row["reason"] = f"execution: {error}"
            del row["files"]
            continue
        right = given.argmax(1) == labels
        found[row["contender"], row["scheme"]] = right
        row |= {"n": len(labels), "correct": int(right.sum()), "accuracy": float(right.mean())}
        row["agreement"] = float((given.argmax(1) == eager.argmax(1)).mean())
    for row in rows:
        if "n" in row:
            row.update(_against_best(row, found, [name for name, one in by_name.items() if one.ours]))


def _against_best(row: Row, found: dict[tuple[str, str], Any], ours: Sequence[str]) -> Row:
    """How likely chance alone parts this one from the more accurate of ours as far (McNemar's exact test)."""
    best = max(
        (found[name, row["scheme"]] for name in ours if (name, row["scheme"]) in found),
        key=lambda right: int(right.sum()),
        default=None,
    )
    if best is None or row["contender"] in ours:
        return {}
    right = found[row["contender"], row["scheme"]]
    only_this, only_ours = int((right & ~best).sum()), int((best & ~right).sum())
    apart = only_this + only_ours
    return {"accuracy_p": float(binomtest(only_this, apart).pvalue) if apart else 1.0}


def time_in_turns(
    rows: Sequence[Row], by_name: dict[str, Contender], material: Material, *, sessions: int, rounds: int, say: Say
) -> dict[str, Any]:
    """Add latencies to the rows that were executed; returns what the machine did meanwhile.

    In each session all are started anew, in another order; in each round of a session every one has one block, there
    and back again by turns.
    """
    able = [row for row in rows if "n" in row]
    taken: list[list[list[int]]] = [[] for _ in able]
    preemptions, watch, inputs = 0, Watch(), str(material.folder / TEST)
    for session in range(sessions):
        say(f"timing {len(able)} artifacts in turns, session {session + 1} of {sessions}")
        cores = quiet_cores(1)
        with contextlib.ExitStack() as stack:
            seats: dict[int, Worker] = {}
            for place in load_order(len(able), seed=session):
                seats[place] = stack.enter_context(_worker(by_name[able[place]["contender"]], cores))
                loaded = seats[place].ask("load", files=able[place]["files"], threads=1)
                able[place].setdefault("load_ms", []).append(round(loaded["load_ms"], 2))
            calls = [
                _calls(seats[place].ask("time", inputs=inputs, calls=20, warmup=10, seconds=2.0)["nanoseconds"])
                for place in range(len(able))
            ]
            for number in range(rounds):
                for place in order_of_round(len(able), number):
                    reply = seats[place].ask("time", inputs=inputs, calls=calls[place], warmup=2, seconds=5.0)
                    taken[place].append(reply["nanoseconds"])
                    preemptions += reply["preemptions"]
                watch.look()
    for row, blocks in zip(able, taken, strict=True):
        row["latency"] = _latency(blocks)
    _ratios(able, taken, [name for name, one in by_name.items() if one.ours])
    noise, seconds = watch.noise(), sum(sum(block) for blocks in taken for block in blocks) / 1e9
    rate = preemptions / seconds if seconds else None
    return {
        "preemptions_per_second": rate,
        "steal_share": noise.steal_share,
        "frequency_mhz": noise.frequency_mhz,
        "disturbances": disturbances(rate, noise.steal_share, noise.frequency_mhz),
    }


def _calls(nanoseconds: Sequence[int]) -> int:
    return int(np.clip(BLOCK_S * 1e9 / np.median(nanoseconds), LEAST_CALLS, MOST_CALLS))


def _latency(blocks: list[list[int]]) -> dict[str, Any]:
    summary = summarize([one for block in blocks for one in block])
    return {
        "median_ms": summary.median_ms,
        "ci95": median_interval(blocks, seed=0),
        "p90_ms": summary.p90_ms,
        "min_ms": summary.min_ms,
        "n": summary.n,
        "rounds": len(blocks),
    }


def _ratios(able: Sequence[Row], taken: Sequence[list[list[int]]], ours: Sequence[str]) -> None:
    """Each peer's time over that of the faster of ours in the same scheme, round by round."""
    for scheme in SCHEMES:
        places = [place for place, row in enumerate(able) if row["scheme"] == scheme]
        mine = [place for place in places if able[place]["contender"] in ours]
        if not mine:
            continue
        best = min(mine, key=lambda place: able[place]["latency"]["median_ms"])
        for place in set(places) - set(mine):
            found, interval = ratio_of_rounds(taken[place], taken[best], seed=0)
            able[place]["ratio"] = {"to": able[best]["contender"], "value": found, "ci95": interval}


def _worker(contender: Contender, cores: tuple[int, ...] | None = None) -> Worker:
    python: Path | None = python_of(contender.environment)
    assert python is not None
    return Worker(contender.environment, python, contender.runtime, cores=cores)
