from django.db import migrations, models


class Migration(migrations.Migration):
    """Leases are not looked up by their ERP client alone."""

    dependencies = [("licensing", "0009_directory")]

    operations = [
        migrations.AlterField(
            model_name="lease",
            name="client",
            field=models.ForeignKey(
                "licensing.ErpClient", on_delete=models.PROTECT, related_name="leases", db_index=False
            ),
        ),
    ]
