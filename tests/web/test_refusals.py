"""The page "Refusals"."""

import csv
import io

from licensing.operations.leases import checkout
from tests.factories import KEY, NOW, Portal, make_client, module, request

from .visitors import Visitor

# What a program may send as the code of a module.
ODD = "\n=1+1\r\n\x01\u202e<b>&'\""


def test_code_of_odd_letters_is_shown_as_it_is_and_is_no_formula_in_a_table(
    portal: Portal, viewer: Visitor
) -> None:
    portal.accept(KEY, [module("HANDEL", 5)])
    checkout([request(make_client(), ODD)], NOW)
    page = viewer.get("refusals").content.decode()
    assert "&lt;b&gt;&amp;" in page
    assert "<b>&" not in page
    table = viewer.get("refusals", format="csv").content.decode("utf-8-sig")
    head, row = csv.reader(io.StringIO(table, newline=""), delimiter=";")
    assert len(row) == len(head)
    # Neither at the beginning nor behind the line's end, where a spreadsheet may begin a cell.
    assert row.count("'" + ODD.replace("=", "'=")) == 2
