"""Causes: why torch.export or the model itself refuses, in short, with the user's line and what usually cures it."""

from __future__ import annotations

import inspect
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mobilekit.errors import CaptureError
from mobilekit.spec import TensorSpec
from mobilekit.usercode import at_user_line, is_user_file, summary

if TYPE_CHECKING:
    import torch
    from torch import nn


@dataclass(frozen=True)
class Cause:
    """A way in which a model is refused, recognized by the message or the user's line, and what usually cures it."""

    pattern: str
    cure: str


CAUSES = (
    Cause(
        r"missing \d+ required positional|takes (from )?\d+ .*positional|unexpected keyword|Detected mismatch between",
        "the number of inputs differs from what forward() takes; give one --input per argument, in order",
    ),
    Cause(
        r"\.item\(|\.tolist\(|numpy\(|\bnp\.|_local_scalar_dense|\bzu?f\d|Could not extract specialized",
        "the model leaves tensors for Python or NumPy (.item(), .tolist(), .numpy(), int()); stay in torch operations",
    ),
    Cause(
        r"data-dependent|GuardOnDataDependent|Could not guard on|is_nonzero|Eq\(u\d+",
        "a branch depends on a tensor's value; use torch.where, or torch.cond for two real branches",
    ),
    Cause(
        r"must always be equal",
        "these must be one dimension: give them the same name in every input, for example --input a:batch=1..8,3 "
        "--input b:batch,3",
    ),
    Cause(
        r"Not all values of",
        "the model does not treat all sizes within the bounds alike (at the smallest, something inside may shrink to "
        "1): narrow the bounds of that dimension, or make it static",
    ),
    Cause(
        r"[Cc]onstraints violated|specialized|marked .* as dynamic but",
        "the model fixes a dimension that was asked to be dynamic: look for int(x.shape[..]), a reshape with "
        "constants, or a layer that needs this size; or make the dimension static",
    ),
    Cause(
        r"unsupported|Unsupported|not supported|NotImplementedError|FakeTensor|fake impl|[Mm]eta kernel|ScriptModule",
        "something in the model has no traced form; replace it, or register an operator's with "
        "torch.library.register_fake",
    ),
)
_ADVICE = re.compile(
    r"consider using data-dependent|Caused by:|For more information about|The error above occurred|Suggested fixes:"
)
_ASIDES = re.compile(
    r"For more information, run with TORCH_LOGS=\S+|If you're using mark_dynamic[^\n]*"
    r"|\((unhinted|Size-like)[^\n]*?\)(?=[\s.]|$)"
)


def refused_by_export(error: BaseException, module: nn.Module) -> CaptureError:
    """torch.export's refusal, its page of text cut down to the reason."""
    where = at_user_line(error) or _line_in(str(error)) or _forward_of(module)
    return CaptureError(
        f"torch.export refuses {type(module).__name__}: {_reason(error)}{where}",
        hint=_cure(f"{error}{where}") or "https://docs.pytorch.org/docs/stable/export.html lists what it takes",
    )


def refused_by_model(
    error: BaseException, module: nn.Module, inputs: Sequence[TensorSpec], example: Sequence[torch.Tensor]
) -> CaptureError:
    """The model's own exception when it is simply called."""
    given = ", ".join(f"{spec.name} {spec.dtype} {list(x.shape)}" for spec, x in zip(inputs, example, strict=True))
    where = at_user_line(error) or _forward_of(module)
    return CaptureError(
        f"the model does not accept its inputs ({given}): {summary(error)}{where}",
        hint=_cure(str(error), CAUSES[:1])
        or "check the shapes and dtypes in the recipe or in --input against what forward() takes",
    )


def _cure(text: str, causes: Sequence[Cause] = CAUSES) -> str | None:
    return next((cause.cure for cause in causes if re.search(cause.pattern, text)), None)


def _reason(error: BaseException) -> str:
    """`UserError: Constraints violated (h): not all values of h = x.shape[2] ...`"""
    text = _ASIDES.sub("", _ADVICE.split(str(error), maxsplit=1)[0])
    text = re.sub(r"L\['(\w+)'\]((?:\[\d+\])?)\.size\(\)\[(\d+)\]", r"\1\2.shape[\3]", text)
    return summary(error, said=re.sub(r"\s+-\s+", " ", text).strip().rstrip("."))


def _line_in(text: str) -> str:
    """The user's line as torch.export's own message quotes it."""
    quoted = re.findall(r'File "([^"]+)", line (\d+), in (\S+)\n\s+(.+)', text)
    mine = [found for found in quoted if is_user_file(found[0])]
    if not mine:
        return ""
    file, line, function, source = mine[-1]
    return f"\n  at {file}:{line}, in {function}: {source.strip()}"


def _forward_of(module: nn.Module) -> str:
    """Where the user's forward() begins, for what torch finds only when all of it has been traced."""
    try:
        file = inspect.getsourcefile(type(module).forward) or ""
        lines, first = inspect.getsourcelines(type(module).forward)
    except (TypeError, OSError, AttributeError):  # a compiled forward has no source
        return ""
    return f"\n  at {file}:{first}, in {type(module).__name__}: {lines[0].strip()}" if is_user_file(file) else ""
