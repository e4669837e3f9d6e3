"""What the desk says when it gives no code, in the language of the message."""

from .desk import NoCode

_ASK_AGAIN = {
    "PL": "Odczytaj wiadomość z programu jeszcze raz i wyślij ją bez zmian.",
    "EN": "Read the message in the program once more and send it unchanged.",
}
_BY_FILE = {
    "PL": "Skontaktuj się z serwerem licencji, a jeśli to niemożliwe, prześlij plik żądania.",
    "EN": "Contact the licence server, or send a request file if that is impossible.",
}
_SENTENCES = {
    "mistyped": {
        "PL": "Wiadomość jest nieczytelna lub zawiera błąd. " + _ASK_AGAIN["PL"],
        "EN": "The message is unreadable or mistyped. " + _ASK_AGAIN["EN"],
    },
    "unknown_key": {
        "PL": "Klucz {number} nie istnieje.",
        "EN": "There is no key {number}.",
    },
    "not_this_key": {
        "PL": "Wiadomość nie pochodzi od menedżera, który używa klucza {number}. " + _BY_FILE["PL"],
        "EN": "The message is not by the Key Manager that uses key {number}. " + _BY_FILE["EN"],
    },
    "wrong_day": {
        "PL": "Wiadomość nie jest z dnia dzisiejszego. " + _ASK_AGAIN["PL"],
        "EN": "The message is not of today. " + _ASK_AGAIN["EN"],
    },
    "suspended": {
        "PL": "Klucz {number} jest wstrzymany przez producenta. " + _BY_FILE["PL"],
        "EN": "Key {number} is suspended by the vendor. " + _BY_FILE["EN"],
    },
    "clone_suspected": {
        "PL": "Klucza {number} używają prawdopodobnie dwie kopie jednej instalacji. " + _BY_FILE["PL"],
        "EN": "Two copies of one installation seem to use key {number}. " + _BY_FILE["EN"],
    },
    "needs_contact": {
        "PL": "Klucz {number} zmienił się od ostatniego kontaktu. " + _BY_FILE["PL"],
        "EN": "Key {number} has changed since the last contact. " + _BY_FILE["EN"],
    },
    "already_answered": {
        "PL": "Na dziś wydano już kod dla innej wiadomości tej instalacji. " + _BY_FILE["PL"],
        "EN": "Another message of this installation was answered for this day. " + _BY_FILE["EN"],
    },
}


def refusal_sentence(refusal: NoCode, language: str) -> str:
    """The sentence for a person, in `PL` or `EN`."""
    return _SENTENCES[refusal.reason][language].format(number=refusal.number)


def language_of(message: str) -> str:
    """The language that a message asks for; English where it names none that the desk speaks."""
    words = message.upper().split(maxsplit=2)
    return "PL" if words[:2] == ["ERP", "PL"] else "EN"
