"""The reference licence authority: the vendor's side of the product, a program of its own.

It speaks the server's part of the vendor protocol, stands for the vendor's desk and activation mailbox,
and imports nothing of the portal but the shared protocol package.
"""
