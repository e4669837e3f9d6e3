"""`python -m benchmarks.baseline.prepare SEATS CODE…`: make the tables and the modules."""

import os
import sys

import django
from django.core.management import call_command

os.environ["DJANGO_SETTINGS_MODULE"] = "benchmarks.baseline.settings"


def main() -> None:
    """Make an empty database usable."""
    django.setup()
    from .models import Module

    call_command("migrate", run_syncdb=True, verbosity=0)
    Module.objects.bulk_create([Module(code=code, seats=int(sys.argv[1])) for code in sys.argv[2:]])


if __name__ == "__main__":
    main()
