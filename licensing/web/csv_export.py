"""Lists as CSV files that a spreadsheet opens without running anything."""

import csv
import re
from collections.abc import Iterable, Sequence
from typing import Any

from django.http import HttpResponse

# A cell that begins so is a formula to a spreadsheet.
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
# So does one that a spreadsheet cuts out of ours where it takes another mark for the end of a cell.
FORMULA_WITHIN = re.compile(r"""([,;\t\r\n]["'\s]*)(?=[=+\-@])""")


def csv_response(name: str, head: Sequence[Any], rows: Iterable[Sequence[Any]]) -> HttpResponse:
    """A download of `rows` under `head`, in UTF-8 with a mark, so that Excel reads Polish letters."""
    response = HttpResponse(content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{name}.csv"'
    response.write("\ufeff")
    writer = csv.writer(response, delimiter=";")
    writer.writerow([_cell(cell) for cell in head])
    writer.writerows([_cell(cell) for cell in row] for row in rows)
    return response


def _cell(value: Any) -> str:
    text = "" if value is None else str(value)
    if isinstance(value, int | float):
        return text
    text = FORMULA_WITHIN.sub(r"\1'", text)
    return "'" + text if text.startswith(FORMULA) else text
