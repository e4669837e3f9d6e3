"""The desk's one page, as HTML that needs no script."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape

from licensing.protocol import format_instant

from .desk import DeskEntry


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of the form that was sent, if one was."""

    message: str = ""
    code: str | None = None
    reason: str | None = None
    sentence: str | None = None
    file_problem: str | None = None


STYLE = """\
:root { color-scheme: light dark; font: 1rem/1.5 system-ui, sans-serif; }
body { max-width: 60rem; margin: 0 auto; padding: 1rem; }
form, .outcome { margin: 1rem 0; padding: 1rem; border: 1px solid GrayText; border-radius: .5rem; }
label { display: block; font-weight: 600; margin-bottom: .25rem; }
textarea { width: 100%; box-sizing: border-box; font: 1.25rem/1.4 ui-monospace, monospace; }
button, input[type=file] { font: inherit; margin-top: .5rem; }
button { padding: .4rem 1rem; }
.code { font: 700 2.75rem/1.3 ui-monospace, monospace; margin: 0; }
.code span { display: inline-block; margin-right: 1.5rem; }
.problem { border-width: 3px; }
table { border-collapse: collapse; width: 100%; }
caption { text-align: left; font-weight: 600; }
th, td { text-align: left; padding: .25rem .75rem .25rem 0; border-bottom: 1px solid GrayText; }
td { white-space: nowrap; }
.log { overflow-x: auto; }
"""

_PAGE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<link rel="stylesheet" href="/desk/style.css">
</head>
<body>
<header><h1>Licence desk</h1><p>It is {now} (UTC). Codes are given for today.</p></header>
<main>
{outcome}
<form method="post" action="/desk">
<h2>Activation code</h2>
<label for="message">Message as it was received</label>
<textarea id="message" name="message" rows="2" maxlength="1000" required spellcheck="false"
 autocomplete="off" aria-describedby="message-help">{message}</textarea>
<p id="message-help">For example <code>ERP PL 2JM1-R4BY-…</code>: seven groups. Upper or lower case,
 spaces and hyphens do not matter.</p>
<button type="submit">Get the code</button>
</form>
<form method="post" action="/desk/file" enctype="multipart/form-data">
<h2>Request file</h2>
<label for="file">File that the customer sent (.kmreq)</label>
<input type="file" id="file" name="file" accept=".kmreq" required>
<p>The answer file (.kmans) is downloaded; send it to the customer.</p>
<button type="submit">Make the answer file</button>
</form>
<section class="log" aria-label="Log" tabindex="0">{log}</section>
</main>
</body>
</html>
"""


def render_page(outcome: Outcome, entries: Sequence[DeskEntry], now: datetime) -> str:
    """The whole page; every text from outside is escaped."""
    said = _outcome(outcome)
    return _PAGE.format(
        title="Licence desk" if said == "" else "Answer – Licence desk",
        now=_minute(format_instant(now)),
        outcome=said,
        message=escape(outcome.message),
        log=_log(entries),
    )


def _outcome(outcome: Outcome) -> str:
    if outcome.code is not None:
        groups = " ".join(f"<span>{escape(group)}</span>" for group in outcome.code.split("-"))
        return _section("outcome", "The code", f'<p class="code">{groups}</p>')
    if outcome.reason is not None:
        sentence = f"<p>{escape(outcome.sentence or '')} <code>({escape(outcome.reason)})</code></p>"
        return _section("outcome problem", "No code", sentence)
    if outcome.file_problem is not None:
        return _section("outcome problem", "No answer file", f"<p>{escape(outcome.file_problem)}</p>")
    return ""


def _section(css: str, title: str, content: str) -> str:
    return f'<div class="{css}" role="status"><h2>{title}</h2>{content}</div>'


def _log(entries: Sequence[DeskEntry]) -> str:
    if not entries:
        return "<p>Nothing was asked yet.</p>"
    rows = "\n".join(_row(entry) for entry in entries)
    heads = "".join(f'<th scope="col">{head}</th>' for head in ("When (UTC)", "Channel", "Key", "Outcome"))
    caption = "What was asked last"
    return f"<table><caption>{caption}</caption><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>"


def _row(entry: DeskEntry) -> str:
    cells = (_minute(entry.answered_at), entry.channel, entry.number or "–", entry.outcome.replace("_", " "))
    return "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>"


def _minute(instant: str) -> str:
    return instant[:16].replace("T", " ")
