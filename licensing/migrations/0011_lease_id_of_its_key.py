from django.db import migrations


class Migration(migrations.Migration):
    """A lease's id is reckoned from its idempotency key: the primary key gives no second one."""

    dependencies = [("licensing", "0010_lease_client_without_index")]

    operations = [migrations.RemoveConstraint(model_name="lease", name="lease_idempotency_key_once")]
