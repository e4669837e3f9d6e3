"""The baseline: licences as a plain Django project would lend them, one transaction for each request.

It is correct: a conditional UPDATE takes a seat, all modules of a checkout or none, and overdue leases are
taken over where a module is full. It has no tokens, grants, idempotency or history of refusals.
"""
