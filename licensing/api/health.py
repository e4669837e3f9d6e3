"""`/livez` and `/readyz`: for load balancers and monitoring, without a token."""

from licensing.operations import health
from licensing.operations.clock import portal_now
from licensing.operations.errors import Refused

from .exchange import Answer, Call, answer
from .messages import HealthAnswer

PATHS = ("/livez", "/readyz")


def handle(call: Call) -> Answer:
    """`livez`: the process answers. `readyz`: it can serve; what needs the administrator is a warning.

    Raises:
        Refused: `method_not_allowed`.
    """
    if call.method not in ("GET", "HEAD"):
        raise Refused("method_not_allowed", allow=["GET", "HEAD"])
    if call.path == "/livez":
        return answer(HealthAnswer("ok", warnings=[]))
    failing = health.failing()
    if failing:
        return answer(HealthAnswer("unavailable", failing=failing), 503)
    return answer(HealthAnswer("ok", warnings=health.warnings(portal_now())))
