"""Report: what was measured, for the terminal, for people (report.md) and for programs (report.json)."""

from mobilekit.report.caveats import caveats
from mobilekit.report.latency import noise_floor, print_latencies
from mobilekit.report.markdown import report_markdown
from mobilekit.report.record import Report, report_json, report_of
from mobilekit.report.table import Row, result_rows
from mobilekit.report.terminal import print_results
from mobilekit.report.write import write_reports

__all__ = [
    "Report",
    "Row",
    "caveats",
    "noise_floor",
    "print_latencies",
    "print_results",
    "report_json",
    "report_markdown",
    "report_of",
    "result_rows",
    "write_reports",
]
