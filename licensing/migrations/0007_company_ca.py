from django.db import migrations, models


class Migration(migrations.Migration):
    """Whom to trust on the way through a proxy that opens TLS."""

    dependencies = [("licensing", "0006_history_of_use")]

    operations = [
        migrations.AddField(
            model_name="configuration",
            name="company_ca",
            field=models.TextField(blank=True, max_length=65536, verbose_name="Company's CA certificate"),
        ),
    ]
