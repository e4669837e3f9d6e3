import uuid
from collections.abc import Iterable

from django.core.management.color import no_style
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState

from licensing.models.lease import RowNumber


class NumberLeases(Operation):
    """Leases get row numbers in the order in which they were taken, and seats refer to those.

    Neither database changes what a table is known by to others while they refer to it: both tables are made
    anew, from copies.
    """

    reversible = False

    def state_forwards(self, app_label: str, state: ProjectState) -> None:
        state.add_field(app_label, "lease", "row_number", RowNumber(primary_key=True, serialize=False), False)
        state.alter_field(
            app_label, "lease", "id", models.UUIDField(unique=True, default=uuid.uuid4), preserve_default=True
        )

    def database_forwards(
        self,
        app_label: str,
        schema_editor: BaseDatabaseSchemaEditor,
        from_state: ProjectState,
        to_state: ProjectState,
    ) -> None:
        old, new = from_state.apps, to_state.apps
        for name in ("seat", "lease"):
            table = old.get_model(app_label, name)._meta.db_table
            schema_editor.execute(f"CREATE TABLE old_{name} AS SELECT * FROM {table}")
            schema_editor.delete_model(old.get_model(app_label, name))
        lease, seat = new.get_model(app_label, "lease"), new.get_model(app_label, "seat")
        schema_editor.create_model(lease)
        columns = _listed(field.column for field in lease._meta.local_fields if not field.primary_key)
        schema_editor.execute(
            f"INSERT INTO {lease._meta.db_table} ({columns}) SELECT {columns} FROM old_lease ORDER BY taken_at"
        )
        schema_editor.create_model(seat)
        columns = _listed(field.column for field in seat._meta.local_fields if field.name != "lease")
        schema_editor.execute(
            f"INSERT INTO {seat._meta.db_table} (lease_id, {columns})"
            f" SELECT (SELECT l.row_number FROM {lease._meta.db_table} l WHERE l.id = old_seat.lease_id),"
            f" {columns} FROM old_seat"
        )
        for statement in schema_editor.connection.ops.sequence_reset_sql(no_style(), [seat]):
            schema_editor.execute(statement)
        for name in ("seat", "lease"):
            schema_editor.execute(f"DROP TABLE old_{name}")

    def describe(self) -> str:
        return "Number the rows of leases"


def _listed(columns: Iterable[str]) -> str:
    return ", ".join(f'"{column}"' for column in columns)


class Migration(migrations.Migration):
    """An index over leases' ids is written at random places: one is enough, and seats need none."""

    dependencies = [("licensing", "0011_lease_id_of_its_key")]

    operations = [NumberLeases()]
