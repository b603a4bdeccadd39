"""Report: what was measured, for the terminal, for people (report.html, report.md) and programs (report.json)."""

from mobilekit.report.caveats import caveats
from mobilekit.report.latency import noise_floor, print_latencies
from mobilekit.report.markdown import pull_request_markdown, report_markdown
from mobilekit.report.page import report_html
from mobilekit.report.phones import phone_rows, print_phones
from mobilekit.report.record import Report, report_json, report_of
from mobilekit.report.table import Row, result_rows
from mobilekit.report.terminal import print_results
from mobilekit.report.verdict import Verdict, verdicts
from mobilekit.report.write import write_reports

__all__ = [
    "Report",
    "Row",
    "Verdict",
    "caveats",
    "noise_floor",
    "phone_rows",
    "print_latencies",
    "print_phones",
    "print_results",
    "pull_request_markdown",
    "report_html",
    "report_json",
    "report_markdown",
    "report_of",
    "result_rows",
    "verdicts",
    "write_reports",
]
