"""LiteRT: litert-torch to a .tflite file, then ai-edge-quantizer's static int8 recipe.

Source: https://github.com/google-ai-edge/litert-torch and https://github.com/google-ai-edge/ai-edge-quantizer
"""

from __future__ import annotations

from pathlib import Path

from common import calibration, convert, program

FLOAT, INT8 = "model.fp32.tflite", "model.int8.tflite"


def fp32(material: Path, out: Path) -> list[Path]:
    import litert_torch
    import torch

    module = program(material).module()
    module.eval = module.train = lambda *_args: module  # an exported program is in eval mode and cannot be told so
    litert_torch.convert(module, (torch.from_numpy(calibration(material)[0]),)).export(str(out / FLOAT))
    return [out / FLOAT]


def int8(material: Path, out: Path) -> list[Path]:
    from ai_edge_litert.interpreter import Interpreter
    from ai_edge_quantizer import quantizer, recipe
    from ai_edge_quantizer.algorithm_manager import AlgorithmName
    from ai_edge_quantizer.qtyping import TFLOperationName

    signatures = Interpreter(str(out / FLOAT)).get_signature_list()
    (key,) = signatures
    (name,) = signatures[key]["inputs"]
    work = quantizer.Quantizer(str(out / FLOAT), recipe.static_wi8_ai8())
    for end in (TFLOperationName.INPUT, TFLOperationName.OUTPUT):  # float in and out, as all others have it
        work.update_quantization_recipe(".*", end, algorithm_key=AlgorithmName.NO_QUANTIZE)
    ranges = work.calibrate({key: [{name: one} for one in calibration(material)]}, num_threads=1)
    work.quantize(ranges).export_model(str(out / INT8))
    return [out / INT8]


if __name__ == "__main__":
    convert({"fp32": fp32, "int8": int8}, ("litert-torch", "ai-edge-quantizer", "ai-edge-litert", "torch"))
