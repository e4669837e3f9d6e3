from django.db import migrations, models


class Migration(migrations.Migration):
    """Seats of a module are found by the index over module and number."""

    dependencies = [("licensing", "0012_lease_row_numbers")]

    operations = [
        migrations.AlterField(
            model_name="seat",
            name="module",
            field=models.ForeignKey(
                "licensing.Module", on_delete=models.CASCADE, related_name="seat_rows", db_index=False
            ),
        ),
    ]
