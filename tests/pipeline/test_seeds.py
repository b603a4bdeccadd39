from __future__ import annotations

from pathlib import Path

import pytest

from mobilekit.errors import UsageError
from mobilekit.pipeline import train_seeds
from mobilekit.spec import TrainSpec


def test_a_run_cannot_hold_several(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text("{}")
    with pytest.raises(UsageError, match="is a run; several seeds need a folder of their own"):
        train_seeds(lambda folder, spec: pytest.fail("not called"), tmp_path, TrainSpec(), 2)
