"""Stored state and its constraints; facts about one row. No mail, no HTTP."""

from .activation import Challenge, HeldCodePack, OfflineActivation, SlotAttempts
from .cluster_node import ClusterNode
from .configuration import Configuration, MailSecurity
from .contact import ContactAttempt, ContactState, OpenRequest
from .erp_client import ErpClient
from .event import Event
from .installation import Installation
from .lease import Lease, Refusal
from .module import Module, Seat
from .outgoing_mail import MailState, OutgoingMail
from .queue_heartbeat import QueueHeartbeat
from .usage import RollUp, UsageDay, UsageQuarter
from .user import Role, User
from .virtual_key import KeyState, PendingRelease, VirtualKey

__all__ = [
    "Challenge",
    "ClusterNode",
    "Configuration",
    "ContactAttempt",
    "ContactState",
    "ErpClient",
    "Event",
    "HeldCodePack",
    "Installation",
    "KeyState",
    "Lease",
    "MailSecurity",
    "MailState",
    "Module",
    "OfflineActivation",
    "OpenRequest",
    "OutgoingMail",
    "PendingRelease",
    "QueueHeartbeat",
    "Refusal",
    "Role",
    "RollUp",
    "Seat",
    "SlotAttempts",
    "UsageDay",
    "UsageQuarter",
    "User",
    "VirtualKey",
]
