"""What is going on, for people who wait: a bar on a terminal, a line for each part elsewhere."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console


class ProgressView:
    """Counts planned seconds.  `tell` says what begins now and how long it should take; `part` opens a section."""

    def __init__(self, total_s: float, console: Console) -> None:
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

        self._console = console
        self._progress = Progress(
            TextColumn("{task.fields[part]:<18}", style="bold"),
            BarColumn(bar_width=None),
            TaskProgressColumn(),
            TimeRemainingColumn(elapsed_when_finished=True),
            TextColumn("{task.description}", style="dim"),
            console=console,
            transient=True,
            expand=True,
            disable=not console.is_terminal,
        )
        self._task = self._progress.add_task("", total=total_s, part="")
        self._begun_s = 0.0

    def __enter__(self) -> ProgressView:
        self._progress.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        self._progress.stop()

    def part(self, name: str) -> None:
        """A new section."""
        self._progress.update(self._task, part=name)
        if not self._console.is_terminal:
            self._console.print(f"measuring {name}")

    def tell(self, text: str, planned_s: float) -> None:
        """What begins now; what began before is done."""
        self._progress.update(self._task, advance=self._begun_s, description=text)
        self._begun_s = planned_s
