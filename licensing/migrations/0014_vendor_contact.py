from django.db import migrations, models
from django.db.models import F

# After these refusals an active key was bound anew by its PIN.
ASKED_FOR = ("machine_changed", "clone_suspected", "not_bound", "wrong_credentials", "locked")


def note_bindings(apps, schema_editor):
    """Each active key was bound to the machine that the installation last reported."""
    # The row's sealed columns stay closed: a migration may run before the key file is in place.
    machine = apps.get_model("licensing", "Installation").objects.values_list("machine", flat=True).first()
    if machine is None:
        return
    active = apps.get_model("licensing", "VirtualKey").objects.filter(state="active")
    active.update(bound_machine=machine)
    active.filter(refusal__in=ASKED_FOR).update(binding_asked=F("refusal"))


class Migration(migrations.Migration):
    """Whether a key waits to be bound anew, and whether a release frees it, is told by its own row."""

    dependencies = [("licensing", "0013_seat_module_without_index")]

    operations = [
        migrations.AddField(
            model_name="virtualkey",
            name="bound_machine",
            field=models.CharField(blank=True, max_length=128),
        ),
        migrations.AddField(
            model_name="virtualkey",
            name="binding_asked",
            field=models.CharField(blank=True, max_length=32),
        ),
        migrations.RunPython(note_bindings, migrations.RunPython.noop, elidable=True),
        migrations.RemoveField(model_name="installation", name="machine"),
        migrations.AddField(
            model_name="pendingrelease",
            name="bound_machine",
            field=models.CharField(blank=True, max_length=128),
        ),
        migrations.AddField(
            model_name="pendingrelease",
            name="needs_vendor",
            field=models.BooleanField(default=False),
        ),
        migrations.AddField(
            model_name="pendingrelease",
            name="refusal",
            field=models.CharField(blank=True, max_length=32),
        ),
        migrations.AlterField(
            model_name="virtualkey",
            name="active_on",
            field=models.CharField(blank=True, max_length=255),
        ),
        migrations.AddField(
            model_name="contactstate",
            name="not_before",
            field=models.DateTimeField(null=True),
        ),
    ]
