"""What a form's page tells after it was sent: at the top, or in the part of the page that it is about."""

from django.contrib import messages
from django.contrib.messages.storage.base import Message
from django.http import HttpRequest


def told_by_place(request: HttpRequest) -> dict[str, list[Message]]:
    """The messages that wait, by the part of the page named in their `extra_tags`; the others under ""."""
    places: dict[str, list[Message]] = {"": []}
    for message in messages.get_messages(request):
        places.setdefault(message.extra_tags or "", []).append(message)
    return places
