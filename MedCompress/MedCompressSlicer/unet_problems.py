"""What is wrong with training cases, as a table in the scene."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import qt
from slicer.i18n import tr as _

from .steps import Steps
from .tables import makeTable
from .unet_config import toml
from .unet_pairs import exportPairs


def problemTable(problems: Sequence[dict], node=None):
    """Table node of case, problem and what to do; problems: objects with case, text, remedy and fatal."""
    rows = [
        (
            row["case"],
            row["text"],
            row["remedy"],
            _("no") if row["fatal"] else _("yes"),
        )
        for row in problems
    ]
    titles = _("Case"), _("Problem"), _("What to do"), _("Usable")
    columns = {title: [row[number] for row in rows] for number, title in enumerate(titles)}
    return makeTable(_("Problems of training cases"), columns, node)


def showProblems(view, table) -> None:
    """Show the table where it has a row, all of its text in sight."""
    view.setMRMLTableNode(table)
    view.visible = bool(table and table.GetNumberOfRows())
    if view.visible:
        for column in (1, 2):
            view.horizontalHeader().setSectionResizeMode(column, qt.QHeaderView.Stretch)
        for column in (0, 3):
            view.resizeColumnToContents(column)
        view.resizeRowsToContents()


def summarize(result: dict) -> str:
    """One line about the result of the command `cases`."""
    fatal = sum(row["fatal"] for row in result["problems"])
    text = _("{count} cases").format(count=len(result["cases"]))
    if not result["problems"]:
        return text + _(", no problems")
    return text + _("; problems to solve: {fatal}, to look at: {other}").format(
        fatal=fatal, other=len(result["problems"]) - fatal
    )


class CaseSteps(Steps):
    """Check the cases of a press. cases: a folder, or pairs of volume and segmentation nodes.

    onChecked(result): called with what the command `cases` found, also where nothing follows. document: configuration
        of the training, whose labels the label maps of a folder shall have.
    """

    def __init__(
        self,
        cases: Path | Sequence[tuple],
        onChecked: Callable[[dict], None],
        meanings: Sequence = (),
        document: dict | None = None,
    ):
        super().__init__()
        self._cases, self._checked, self._meanings, self._document = cases, onChecked, meanings, document
        self.labels: list[dict] = []

    def begin(self) -> None:
        self.check(self.onChecked)

    def check(self, then: Callable[[dict], None], step: str = "") -> None:
        """Run the check; `caseFolder` is where the cases are from now on."""
        self.caseFolder, arguments = self._cases, []
        if not isinstance(self._cases, Path):
            self.caseFolder = self.folder / "cases"
            self.labels = exportPairs(self._cases, self.caseFolder, self._meanings)
        elif self._document:
            configuration = self.folder / "labels.toml"
            configuration.write_text(toml(self._document), "utf-8")
            arguments = ["--config", str(configuration)]
        self.run(["cases", str(self.caseFolder), *arguments], then, step=step)

    def onChecked(self, result: dict) -> None:
        self._checked(result)
        self.end(summarize(result))
