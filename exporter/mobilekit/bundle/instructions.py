"""Instructions: how many a processor executes for one inference. A figure that no noise of a machine touches."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from mobilekit.spec.base import Spec


class Instructions(Spec):
    """Of an emulated core, in one thread, after warm-up. docs/runners.md says what it tells of time."""

    cpu: str = Field(description="the processor core, for example cortex-a76")
    per_inference: Annotated[int, Field(ge=1)] = Field(description="the median of `n` inferences")
    spread: Annotated[int, Field(ge=0)] = Field(description="the most minus the fewest; 0 where the count repeats")
    n: Annotated[int, Field(ge=1)]
