"""Worker: one artifact in one runtime, driven by lines of JSON. Numpy and that runtime only; imports nothing of ours.

    python worker.py RUNTIME < requests > replies

    {"do": "load", "files": [...], "threads": 1}         -> {"load_ms": ...}
    {"do": "run", "inputs": FILE, "outputs": FILE}       -> {"samples": n}    one by one, the first output of each
    {"do": "time", "inputs": FILE, "calls": n, "warmup": m, "seconds": s}
                                 -> {"nanoseconds": [...], "preemptions": k}  on the file's first sample

Whatever goes wrong is answered as {"error": "..."}. Only the runtime's call is timed, with the garbage collector off:
tensors are in the runtime's form before, outputs stay where the runtime puts them.
"""

from __future__ import annotations

import gc
import json
import os
import resource
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

Call = Callable[[], Any]
Bind = Callable[[np.ndarray], tuple[Call, Callable[[Any], np.ndarray]]]
"""From one input, with its batch dimension: the call that is timed, and what makes an array of what it returned."""


def executorch(files: list[str], threads: int) -> Bind:
    """Through the extension module, as ExecuTorch's own Runtime does it."""
    import ctypes
    from pathlib import Path

    import torch
    from executorch import __path__ as places
    from executorch.extension.pybindings import _C

    for library in sorted((Path(next(iter(places))) / "lib").glob("libexecutorch_kernels_quantized.*")):
        ctypes.CDLL(str(library))
    _C._unsafe_reset_threadpool(threads)
    held = _C._load_program(files[0])
    method = held.load_method("forward")

    def bind(sample: np.ndarray) -> tuple[Call, Callable[[Any], np.ndarray]]:
        tensors = [torch.from_numpy(sample)]
        return lambda: method.call(tensors, False), lambda outputs: (held, outputs[0].numpy())[1]

    return bind


def onnxruntime(files: list[str], threads: int) -> Bind:
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    import onnxruntime as runtime

    options = runtime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 3
    session = runtime.InferenceSession(files[0], options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda sample: (lambda: session.run(None, {name: sample}), lambda outputs: outputs[0])


def litert(files: list[str], threads: int) -> Bind:
    """The interpreter with its default delegate, XNNPACK."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=files[0], num_threads=threads)
    interpreter.allocate_tensors()
    source, target = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]

    def bind(sample: np.ndarray) -> tuple[Call, Callable[[Any], np.ndarray]]:
        interpreter.set_tensor(source, sample)
        return interpreter.invoke, lambda _nothing: interpreter.get_tensor(target)

    return bind


def openvino(files: list[str], threads: int) -> Bind:
    import openvino as runtime

    core = runtime.Core()
    settings = {"INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1, "INFERENCE_PRECISION_HINT": "f32"}
    request = core.compile_model(files[0], "CPU", settings).create_infer_request()

    def bind(sample: np.ndarray) -> tuple[Call, Callable[[Any], np.ndarray]]:
        request.set_input_tensor(runtime.Tensor(sample))
        return request.infer, lambda _outputs: request.get_output_tensor(0).data

    return bind


def ncnn(files: list[str], threads: int) -> Bind:
    """With its defaults, among them `use_fp16_storage`: the page says so."""
    import ncnn as runtime

    net = runtime.Net()
    net.opt.num_threads = threads
    if net.load_param(files[0]) or net.load_model(files[1]):
        raise RuntimeError("ncnn does not load it")

    def bind(sample: np.ndarray) -> tuple[Call, Callable[[Any], np.ndarray]]:
        tensor = runtime.Mat(np.ascontiguousarray(sample[0])).clone()

        def call() -> Any:
            with net.create_extractor() as extractor:
                extractor.input("in0", tensor)
                return extractor.extract("out0")[1]

        return call, lambda output: np.array(output)[None]

    return bind


RUNTIMES = {one.__name__: one for one in (executorch, onnxruntime, litert, openvino, ncnn)}


class Session:
    """One artifact, once it is loaded."""

    def __init__(self, runtime: str) -> None:
        self.runtime = RUNTIMES[runtime]

    def load(self, files: list[str], threads: int) -> dict[str, Any]:
        started = time.perf_counter()
        self.bind = self.runtime(files, threads)
        return {"load_ms": (time.perf_counter() - started) * 1e3}

    def run(self, inputs: str, outputs: str) -> dict[str, Any]:
        answers = []
        for sample in np.load(inputs):
            call, as_array = self.bind(sample[None])
            answers.append(np.array(as_array(call())).reshape(-1))
        np.save(outputs, np.stack(answers))
        return {"samples": len(answers)}

    def time(self, inputs: str, calls: int, warmup: int, seconds: float) -> dict[str, Any]:
        """`calls` calls, or as many as fit into `seconds`, whichever are fewer, and at least one."""
        call, _ = self.bind(np.load(inputs)[:1])
        for _index in range(warmup):
            call()
        taken: list[int] = []
        clock = time.perf_counter_ns
        before, end = resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw, clock() + int(seconds * 1e9)
        gc.collect()
        gc.disable()
        try:
            while len(taken) < calls and (not taken or clock() < end):
                start = clock()
                call()
                taken.append(clock() - start)
        finally:
            gc.enable()
        return {
            "nanoseconds": taken,
            "preemptions": resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw - before,
        }


def main() -> None:
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what runtimes print is no reply
    session = Session(sys.argv[1])
    for line in sys.stdin:
        request = json.loads(line)
        try:
            reply = getattr(session, request.pop("do"))(**request)
        except Exception as error:
            text = str(error).strip() or type(error).__name__
            reply = {"error": f"{type(error).__name__}: {text.splitlines()[0][:200]}"}
        print(json.dumps(reply), file=replies, flush=True)
    os._exit(0)


if __name__ == "__main__":
    main()
