from django.db import migrations, models


class Migration(migrations.Migration):
    """Where an activation code is asked for without a network."""

    dependencies = [("licensing", "0003_binding_before_release")]

    operations = [
        migrations.AddField(
            model_name="configuration",
            name="activation_sms",
            field=models.CharField(blank=True, default="7148", max_length=20, verbose_name="Number for SMS"),
        ),
        migrations.AddField(
            model_name="configuration",
            name="activation_email",
            field=models.EmailField(
                blank=True, default="mk@comarch.pl", max_length=254, verbose_name="Address for e-mail"
            ),
        ),
        migrations.AddField(
            model_name="configuration",
            name="activation_phone",
            field=models.CharField(
                blank=True, default="+48 12 681 4300", max_length=30, verbose_name="Number for telephone calls"
            ),
        ),
    ]
