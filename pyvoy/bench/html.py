"""The results as HTML."""

from pyvoy.bench.results import Results


def as_html(results: Results) -> str:
    """The report."""
    return ""
