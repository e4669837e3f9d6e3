"""Whatever is called, allowed or not: the answer is as the description says, and no error is ours."""

from collections.abc import Iterator

import hypothesis
import pytest
import schemathesis
from django.core import signals
from django.core.handlers.wsgi import WSGIHandler
from django.db import close_old_connections
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from licensing.operations.actors import COMMAND
from licensing.operations.clients import add_erp_client
from tests.factories import NOW, Portal

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
# The long tier looks further.
EXAMPLES = 200 if hypothesis.settings.get_current_profile_name() == "full" else 15
SETTINGS = hypothesis.settings(max_examples=EXAMPLES, suppress_health_check=list(hypothesis.HealthCheck))


@pytest.fixture
def one_connection() -> Iterator[None]:
    """Leave the test's connection open between calls, as Django's own test client does."""
    for signal in (signals.request_started, signals.request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (signals.request_started, signals.request_finished):
        signal.connect(close_old_connections)


@pytest.mark.django_db
@pytest.mark.usefixtures("clock", "one_connection")
@pytest.mark.parametrize("mode", list(schemathesis.GenerationMode))
def test_generated_calls_are_answered_as_described(keys: Portal, mode: schemathesis.GenerationMode) -> None:
    headers = {"Authorization": f"Bearer {add_erp_client(NOW, COMMAND, 'fuzz')[1]}"}
    schema = schemathesis.openapi.from_wsgi("/api/v1/openapi.json", WSGIHandler())
    for result in schema.get_all_operations():
        strategy = result.ok().as_strategy(generation_mode=mode)

        @SETTINGS
        @hypothesis.given(case=strategy)
        def call(case: schemathesis.Case) -> None:
            case.call_and_validate(headers=headers, checks=CHECKS)

        call()
