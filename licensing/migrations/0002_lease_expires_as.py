from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("licensing", "0001_initial")]

    operations = [
        migrations.AddField(
            model_name="lease",
            name="expires_as",
            field=models.CharField(default="expired", max_length=20),
        ),
    ]
