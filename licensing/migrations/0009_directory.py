from django.db import migrations, models


class Migration(migrations.Migration):
    """People may log in by the company's LDAP or Active Directory."""

    dependencies = [("licensing", "0008_newest_serials")]

    operations = [
        migrations.AddField(
            model_name="user", name="from_directory", field=models.BooleanField(default=False)
        ),
    ]
