"""The refusals of the API: one table from code to status and words.

`/problems/<code>` shows the same words to whoever follows a refusal's `type`.
"""

from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

Text = str | Promise


@dataclass(frozen=True)
class ProblemKind:
    """What a code stands for: `title` and `meaning` for whoever reads it, `remedy` for what to do next."""

    status: int
    title: Text
    meaning: Text
    remedy: Text


PROBLEMS: dict[str, ProblemKind] = {
    "malformed_json": ProblemKind(
        400,
        _("The body is not a JSON object"),
        _("The body of the request could not be read as one JSON object in UTF-8."),
        _("Send a JSON object, as the description of the API shows."),
    ),
    "bad_request": ProblemKind(
        400,
        _("The request cannot be read"),
        _("The portal does not answer under this host name, or the request or a header cannot be read."),
        _("Call the portal under a host name that its administrator allowed, in well-formed HTTP/1.1."),
    ),
    "token_missing": ProblemKind(
        401,
        _("The token is missing"),
        _("Every call needs the header “Authorization: Bearer …” with the token of an ERP client."),
        _("Ask an administrator for a token: ERP clients, Add."),
    ),
    "token_invalid": ProblemKind(
        401,
        _("The token is not known"),
        _("No ERP client has this token. It may have been replaced by a new one."),
        _("Check the token for a copying mistake, or ask an administrator for a new one."),
    ),
    "client_not_allowed": ProblemKind(
        403,
        _("This ERP client may not call"),
        _("The ERP client is disabled, or the call comes from outside the networks allowed to it."),
        _("An administrator can enable the client or widen its networks: ERP clients."),
    ),
    "contact_lost": ProblemKind(
        403,
        _("No contact with the vendor for 72 hours"),
        _("No key with the module has been in contact with the vendor's licence servers for 72 hours."),
        _("An administrator restores the connection, or renews the modules by an activation code."),
    ),
    "module_expired": ProblemKind(
        403,
        _("The module has expired"),
        _("The last day on which this module could be used has passed."),
        _("Renew the module with the vendor; the portal learns of it at its next contact."),
    ),
    "warranty_expired": ProblemKind(
        403,
        _("The program is newer than the module's warranty"),
        _("The module's warranty has passed, so only programs built before its last day may take it."),
        _("Use a program built within the warranty, or extend the warranty with the vendor."),
    ),
    "lease_not_found": ProblemKind(
        404,
        _("There is no such lease"),
        _("The lease is not known, belongs to another ERP client, or ended more than 30 days ago."),
        _("Take a new lease."),
    ),
    "not_found": ProblemKind(
        404,
        _("There is nothing at this address"),
        _("The address is none of the API's, or what it names is not here."),
        _("Compare the address with the description of the API."),
    ),
    "method_not_allowed": ProblemKind(
        405,
        _("The method is not allowed here"),
        _("The address exists, and answers to other methods; the header “Allow” names them."),
        _("Use one of the methods named."),
    ),
    "no_free_seat": ProblemKind(
        409,
        _("All seats are taken"),
        _("Every seat of at least one module is held; nothing was taken, not even modules that are free."),
        _("Wait for a seat, ask one of the holders to log out, or have an administrator release a lease."),
    ),
    "lease_ended": ProblemKind(
        410,
        _("The lease has ended"),
        _("The lease was returned, expired, or was ended by the portal. It never lives again."),
        _("Take a new lease if the program still needs the modules."),
    ),
    "body_too_large": ProblemKind(
        413,
        _("The body is too large"),
        _("A checkout may be at most 16 KiB long."),
        _("Send fewer or shorter members."),
    ),
    "unsupported_media_type": ProblemKind(
        415,
        _("The body is not application/json"),
        _("The header “Content-Type” must be application/json."),
        _("Send the body as JSON and say so in the header."),
    ),
    "validation_failed": ProblemKind(
        422,
        _("A member is not as it must be"),
        _("The request can be read, but a member is missing, unknown, or has a value out of its limits."),
        _("Mend the member that “errors” names."),
    ),
    "module_unknown": ProblemKind(
        422,
        _("No key has this module"),
        _("The modules named are on no active key, or not on the key that was asked for."),
        _("Check the module's code; an administrator sees what was bought under Available modules."),
    ),
    "key_unknown": ProblemKind(
        422,
        _("The key is not active here"),
        _("The virtual key asked for is not an active key of this portal."),
        _("Leave the key out, or have an administrator add it under Configuration."),
    ),
    "idempotency_key_reused": ProblemKind(
        422,
        _("The idempotency key was used for another body"),
        _("Within 24 hours this idempotency key already stood for a checkout with another body."),
        _("Draw a new key for each log-in, and repeat a key only with the same body."),
    ),
    "too_many_requests": ProblemKind(
        429,
        _("Too many requests"),
        _("Too many calls with a wrong token came from this address, or a client called too often."),
        _("Wait as long as the header “Retry-After” says."),
    ),
    "internal_error": ProblemKind(
        500,
        _("Something went wrong in the portal"),
        _("The portal made a mistake. Nothing half-done was kept."),
        _("Give the number of the incident to the administrator; it stands in the log."),
    ),
    "unavailable": ProblemKind(
        503,
        _("The portal cannot answer just now"),
        _("The database cannot be reached, or stayed busy for too long. Nothing was taken."),
        _("Repeat the call as late as the header “Retry-After” says."),
    ),
}
