"""The desk over HTTP: the consultant's page, its forms, and the two calls of the contract."""

from email import policy
from email.parser import BytesParser
from urllib.parse import parse_qs, urlsplit

from licensing.protocol import BadSignature, MalformedMessage

from .clock import Clock
from .contact import Replayed
from .contact_routes import ContactRoutes
from .desk import Desk, NoCode
from .desk_page import STYLE, Outcome, render_page
from .exchange import Problem, Request, Response, Route, json_response
from .refusals import language_of, refusal_sentence

_LONGEST_MESSAGE = 1000
_CSP = "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
_PAGE_HEADERS = {
    "Content-Security-Policy": _CSP,
    "X-Content-Type-Options": "nosniff",
    # Not "no-referrer": a form's Origin would then be "null", as that of a stranger's page may be.
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class DeskRoutes:
    """Everything under `/desk`."""

    def __init__(self, desk: Desk, contacts: ContactRoutes, clock: Clock) -> None:
        self._desk = desk
        self._contacts = contacts
        self._clock = clock

    def routes(self) -> dict[str, dict[str, Route]]:
        """Path, method, route."""
        return {
            "/": {"GET": _to_desk},
            "/desk": {"GET": self.page, "POST": self.submit_message},
            "/desk/file": {"GET": _to_desk, "POST": self.submit_file},
            "/desk/style.css": {"GET": _style},
            "/desk/answer": {"POST": self.answer},
            "/desk/contact": {"POST": self._contacts.by_file},
        }

    def answer(self, request: Request) -> Response:
        """`{"message": …}` → `{"code": …}`, or 422 with the reason."""
        message = request.members().get("message")
        if not isinstance(message, str):
            raise MalformedMessage("message is missing")
        try:
            code = self._desk.answer(message[:_LONGEST_MESSAGE], self._clock.now(), "api")
        except NoCode as refusal:
            sentence = refusal_sentence(refusal, language_of(message))
            more = {} if refusal.number is None else {"key": refusal.number}
            raise Problem(422, refusal.reason, sentence, more=more) from None
        return json_response({"code": code})

    def page(self, request: Request) -> Response:
        """The desk's page, before anything was asked."""
        return self._show(Outcome())

    def submit_message(self, request: Request) -> Response:
        """The page with the code for the message of its form, or with the reason against it."""
        _check_form_origin(request)
        try:
            message = parse_qs(request.text(), max_num_fields=10).get("message", [""])[0][:_LONGEST_MESSAGE]
        except ValueError:
            raise MalformedMessage("not a form") from None
        try:
            code = self._desk.answer(message, self._clock.now(), "page")
        except NoCode as refusal:
            sentence = refusal_sentence(refusal, "EN")
            return self._show(Outcome(message, reason=refusal.reason, sentence=sentence))
        return self._show(Outcome(message, code=code))

    def submit_file(self, request: Request) -> Response:
        """The answer file as a download, or the page with what is wrong with the request file."""
        _check_form_origin(request)
        try:
            return self._contacts.answer_file(_uploaded(request))
        except (BadSignature, MalformedMessage) as error:
            problem = f"This is no request file that can be answered: {error}."
        except Replayed:
            problem = "A newer request of this installation was answered since."
        return self._show(Outcome(file_problem=problem))

    def _show(self, outcome: Outcome) -> Response:
        body = render_page(outcome, self._desk.entries(), self._clock.now())
        return Response(200, "text/html; charset=utf-8", body.encode(), _PAGE_HEADERS)


def _to_desk(request: Request) -> Response:
    return Response(303, "text/plain; charset=utf-8", b"", {"Location": "/desk"})


def _style(request: Request) -> Response:
    return Response(200, "text/css; charset=utf-8", STYLE.encode(), {"X-Content-Type-Options": "nosniff"})


def _check_form_origin(request: Request) -> None:
    """A page of somebody else must not use up an installation's answer of the day."""
    origin = request.headers.get("Origin")
    if origin is not None and urlsplit(origin).netloc != request.headers.get("Host"):
        raise Problem(403, "not_permitted", "The form was sent by a page of another site.")


def _uploaded(request: Request) -> str:
    """The text of the file in a multipart form. Raises MalformedMessage."""
    content_type = request.headers.get("Content-Type", "")
    if not content_type.lower().startswith("multipart/form-data"):
        raise MalformedMessage("not an upload")
    head = f"Content-Type: {content_type}\r\n\r\n".encode("latin-1", "replace")
    try:
        form = BytesParser(policy=policy.HTTP).parsebytes(head + request.body)
    except RecursionError:
        raise MalformedMessage("not an upload") from None
    for part in form.iter_parts() if form.is_multipart() else ():
        if part.get_param("name", header="content-disposition") == "file":
            data = part.get_payload(decode=True)
            return data.decode("ascii", "replace").strip() if isinstance(data, bytes) else ""
    raise MalformedMessage("no file was chosen")
