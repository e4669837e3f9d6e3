"""What nobody carries out, and as much of it as could be read."""

import httptools

from .http import Request, path_of


class Unfit(Exception):
    """What nobody carries out: `request` is as much of it as could be read, and may be no request at all."""

    def __init__(self, request: Request, status: int, why: str) -> None:
        super().__init__(status, why)
        self.request, self.status, self.why = request, status, why


def words_of(
    parser: httptools.HttpRequestParser, url: bytes, data: bytes, error: httptools.HttpParserError
) -> tuple[str, str]:
    """Method and target of what is refused, for whoever answers it.

    Args:
        url: what the parser has told of the target; it keeps to itself what it stumbled over.
        data: in which it stumbled.
    """
    method = parser.get_method().decode()
    if isinstance(error, httptools.HttpParserInvalidURLError) and url:
        url += data.partition(b" ")[0]
    elif not url:
        url = b"".join(data.lstrip().partition(b"\n")[0].split()[1:2])
    if isinstance(error, httptools.HttpParserInvalidMethodError):
        # It names that of the request before, or the one that this begins like.
        method = "GET"
    return method, path_of(url.decode("latin-1"))
