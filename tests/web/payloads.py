"""What a hostile program or user sends in place of a name."""

_OPENINGS = ("", '"', "'", '">', "'>", "</td></tr></table>", "</textarea>", "</title>", "-->", "]]>")
_RUNNING = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<svg/onload=alert(1)>",
    " onfocus=alert(1) autofocus ",
    "<iframe src=//x>",
    "{{ 7|add:7 }}{% debug %}",
)
# None is longer than a name may be.
SCRIPTS = tuple((opening + running).strip() for opening in _OPENINGS for running in _RUNNING)
# For places where there is room for 32 letters only.
SHORT_SCRIPTS = tuple(each for each in SCRIPTS if len(each) <= 32)
FORMULAS = ("=cmd|' /C calc'!A0", "+1+cmd", "-1+cmd", "@SUM(1)", "=HYPERLINK(1)")
