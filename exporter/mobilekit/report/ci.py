"""CI: the gate's findings as JUnit XML and as GitHub's workflow commands. A name cannot become either."""

from __future__ import annotations

import re
from xml.etree import ElementTree

from mobilekit.gate import GateResult, Verdict
from mobilekit.report.gate import cells, failures, in_words, title

_NOT_IN_XML = re.compile(r"[^\t\n\r\x20-\uD7FF\uE000-\uFFFD\U00010000-\U0010FFFF]")


def gate_junit(result: GateResult) -> str:
    """One test case for each metric of each variant. Inconclusive is `skipped`: it is no failure, and no success."""
    counts = {verdict: sum(one.verdict is verdict for one in result.findings) for verdict in Verdict}
    suite = ElementTree.Element(
        "testsuite",
        name="mobilekit gate",
        tests=str(len(result.findings)),
        failures=str(counts[Verdict.REGRESSION]),
        errors="0",
        skipped=str(counts[Verdict.INCONCLUSIVE] + counts[Verdict.NOT_COMPARED]),
        time=f"{result.seconds:.3f}",
    )
    for one in result.findings:
        case = ElementTree.SubElement(
            suite, "testcase", classname=_text(f"{one.target}.{one.scheme}"), name=_text(one.metric), time="0"
        )
        if one.verdict is Verdict.REGRESSION:
            failure = ElementTree.SubElement(case, "failure", type="regression", message=_text(in_words(one)))
            failure.text = _text(", ".join(cells(one)))
        elif one.verdict is not Verdict.PASS:
            ElementTree.SubElement(case, "skipped", message=_text(f"{one.verdict}: {in_words(one)}"))
    suites = ElementTree.Element("testsuites", name="mobilekit gate")
    suites.append(suite)
    ElementTree.indent(suites)
    return ElementTree.tostring(suites, encoding="unicode", xml_declaration=True) + "\n"


def github_annotations(result: GateResult) -> list[str]:
    """`::error title=...::...` for each regression, `::warning` for what is inconclusive."""
    lines = []
    for one in failures(result.findings):
        level = "error" if one.verdict is Verdict.REGRESSION else "warning"
        head = _property(f"mobilekit gate: {one.verdict} in {one.target}:{one.scheme} {title(one)}")
        lines.append(f"::{level} title={head}::{_message(in_words(one))}")
    return lines


def _text(text: str) -> str:
    return _NOT_IN_XML.sub("?", text)


def _message(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _message(text).replace(":", "%3A").replace(",", "%2C")
