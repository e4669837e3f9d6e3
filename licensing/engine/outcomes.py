"""What becomes of the works of a batch, also where something fails."""

import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NoReturn, TypeVar

from licensing.operations.errors import Refused
from licensing.operations.transactions import Contended

logger = logging.getLogger(__name__)

Work = TypeVar("Work")
Outcome = TypeVar("Outcome")
# Told what became of each work, before that is committed; it may not come to pass.
Foresee = Callable[[Sequence[Outcome]], None]


def nothing(*_told: object) -> None:
    """What is told where nobody wants to know."""


@dataclass(frozen=True, slots=True)
class Failed:
    """The outcome of a call whose work raised: an error of ours, not a refusal."""

    error: Exception


def commit_error(commit: Callable[[], None]) -> Exception | None:
    """Commit; the error where that failed. One that is no `Exception` ends the process."""
    try:
        commit()
    except Exception as error:
        return error
    except BaseException as error:
        die(error)
    return None


def carried_out(
    work_out: Callable[[Sequence[Work], Foresee[Outcome]], Sequence[Outcome]],
    works: Sequence[Work],
    foresee: Foresee[Outcome] = nothing,
) -> Sequence[Outcome | Failed | Refused]:
    """The outcomes of a batch. One that fails as a whole is done again work by work, each on its own.

    So is one that was overtaken again and again: one of its works may be what provokes that.

    A failure that is no `Exception` (memory, an interpreter that ends) ends the process: whoever watches
    it starts it anew, and no call hangs for ever.
    """
    try:
        return work_out(works, foresee)
    except Refused as refused:
        if len(works) > 1 and isinstance(refused, Contended):
            return [outcome for work in works for outcome in carried_out(work_out, [work])]
        return [refused for _ in works]
    except Exception as error:
        if len(works) == 1:
            logger.exception("a lease call failed")
            return [Failed(error)]
        logger.warning("a batch of %d lease calls failed (%s); doing them one by one", len(works), error)
        return [outcome for work in works for outcome in carried_out(work_out, [work])]
    except BaseException as error:
        die(error)


def die(error: BaseException) -> NoReturn:
    """End the process: whoever watches it starts it anew, and no call hangs for ever."""
    logger.critical("the lease writer died", exc_info=error)
    os._exit(70)
