"""The lease engine: many calls at once, one commit. docs/engine.md explains it.

It holds no rule. What a checkout, a heartbeat or a return means is in `operations`; whoever changes a rule
does not touch this room.
"""
