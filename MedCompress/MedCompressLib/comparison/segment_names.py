"""Names of label values, from the tables in which they come."""

import csv
import json
from pathlib import Path
from typing import Any

from ..errors import MedCompressError

_VALUE_COLUMNS = ("value", "label", "labelvalue", "label_value", "id", "index")
_NAME_COLUMNS = ("name", "segment", "text", "structure", "labelname")


def read_names(path: str | Path) -> dict[int, str]:
    """Label value to name from JSON or CSV.

    JSON: an object {"1": "liver"} or {"liver": 1}, or one with such an object under "labels", as nnU-Net and the
    Medical Segmentation Decathlon write it. CSV: columns "value" (or label, id, index) and "name" (or segment, text).

    Raises MedCompressError when the file is missing or is neither.
    """
    path = Path(path)
    try:
        text = path.read_text("utf-8-sig")
        names = _from_json(json.loads(text)) if text.lstrip().startswith("{") else _from_csv(text)
    except OSError as error:
        raise MedCompressError(f"{path} cannot be read ({error.strerror}); check the path") from None
    except (ValueError, TypeError, KeyError):
        names = {}
    if not names:
        raise MedCompressError(
            f'{path} is not a table of label names; give JSON such as {{"1": "liver"}} or CSV with columns value,name'
        )
    return names


def _from_json(document: dict[str, Any]) -> dict[int, str]:
    table = document.get("labels", document)
    pairs = [(key, value) if str(key).strip().isdigit() else (value, key) for key, value in table.items()]
    return {int(value): str(name) for value, name in pairs if isinstance(value, int | str) and int(value) != 0}


def _from_csv(text: str) -> dict[int, str]:
    rows = csv.DictReader(text.splitlines())
    columns = {name.strip().lower().replace(" ", ""): name for name in rows.fieldnames or ()}
    value = _first(columns, _VALUE_COLUMNS)
    name = _first(columns, _NAME_COLUMNS)
    return {int(row[value]): row[name].strip() for row in rows if int(row[value]) != 0}


def _first(columns: dict[str, str], wanted: tuple[str, ...]) -> str:
    return columns[next((name for name in wanted if name in columns), wanted[0])]
