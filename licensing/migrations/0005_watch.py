from django.db import migrations, models


class Migration(migrations.Migration):
    """What watching over contact, clock and nodes remembers, and the settings for it."""

    dependencies = [("licensing", "0004_vendor_profile")]

    operations = [
        migrations.AddField(
            model_name="configuration",
            name="contact_warning_hours",
            field=models.CharField(
                blank=True,
                default="4, 24, 48, 66",
                max_length=64,
                verbose_name="Warn after hours without contact",
            ),
        ),
        migrations.AddField(
            model_name="configuration",
            name="portal_url",
            field=models.URLField(blank=True, max_length=253, verbose_name="Portal's address in e-mails"),
        ),
        migrations.AddField(
            model_name="configuration",
            name="metrics_networks",
            field=models.CharField(
                blank=True,
                default="127.0.0.0/8, ::1/128",
                max_length=512,
                verbose_name="Networks that may read the metrics",
            ),
        ),
        migrations.AddField(
            model_name="virtualkey", name="lost_told_step", field=models.PositiveSmallIntegerField(default=0)
        ),
        migrations.AddField(
            model_name="contactattempt", name="steps", field=models.JSONField(default=list)
        ),
        migrations.CreateModel(
            name="ClusterNode",
            fields=[
                (
                    "id",
                    models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID"),
                ),
                ("machine", models.CharField(max_length=128, unique=True)),
                ("name", models.CharField(max_length=64)),
                ("seen_at", models.DateTimeField()),
            ],
            options={"ordering": ["name", "machine"]},
        ),
    ]
