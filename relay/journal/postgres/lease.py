"""
How long a node may act on what it has committed.

A node that does not renew its lease is declared dead by another one, which takes its tasks over. All ends of leases are
times of the database; a node itself counts from the moment before it sent the statement that renewed the lease.
"""

from datetime import timedelta
from typing import Final

LEASE_S: Final = 10.0
"""How long a node is alive after it has renewed its lease. Every commit renews it, and so does every beat."""

LEASE: Final = timedelta(seconds=LEASE_S)

BEAT_S: Final = 2.0
"""The time between two beats."""

MARGIN_S: Final = 3.0
"""How long before the end of its lease a node stops to send runs."""

SEND_S: Final = 5.0
"""How long after a commit was first tried its run may be sent. A repeated commit does not prolong it."""
