"""Contact the vendor now."""

from typing import Any

from django.utils.translation import gettext as _

from licensing.management.contact_lines import contact_and_tell, require_good
from licensing.management.portal_command import PortalCommand


class Command(PortalCommand):
    help = "Contacts the vendor now, or joins the contact in flight; prints a line per key."

    def carry_out(self, **options: Any) -> int:
        report = contact_and_tell(self.stdout.write)
        require_good(report)
        if not report.lines:
            self.stdout.write(_("There is no key to ask the vendor about."))
        return 0
