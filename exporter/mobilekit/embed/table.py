"""Table: what a release of ExecuTorch registers, as one of the files in runtimes/. For those who make mobilekit.

`python -m mobilekit.embed.table FILE.aar --version VERSION > runtimes/android-VERSION.json` makes it of an AAR or of
its libexecutorch.so, and `--wheel FOLDER` of the libraries of an installed `executorch` package, by product.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from mobilekit.embed.aar import read_aar, read_wheel
from mobilekit.embed.runtimes import RuntimeTable
from mobilekit.errors import MobilekitError


def main(arguments: list[str] | None = None) -> int:
    """Print the table; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m mobilekit.embed.table", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("file", type=Path, metavar="FILE", help="an AAR or a library (.so), or with --wheel a folder")
    parser.add_argument("--version", required=True, help="of ExecuTorch, as the table will say it")
    parser.add_argument("--wheel", action="store_true", help="FILE is an installed executorch package")
    parser.add_argument("--platform", choices=("android", "apple"), default="android")
    parser.add_argument("--source", help="one sentence: what was read")
    given = parser.parse_args(arguments)
    try:
        products = read_wheel(given.file) if given.wheel else {"libexecutorch.so": read_aar(given.file)}
    except MobilekitError as error:
        print(error, file=sys.stderr)
        return int(error.exit_code)
    source = given.source or f"read from {given.file.name}"
    table = RuntimeTable(version=given.version, platform=given.platform, source=source, products=products)
    print(table.model_dump_json(indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
