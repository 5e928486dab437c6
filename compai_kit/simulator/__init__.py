"""A stateful Comp-AI that answers as the live service does, with faults on demand and a ledger of
every call.

Also a Keycloak look-alike and a Slack receiver on the same port. It never imports `compai_client`,
so a client bug cannot hide in it.
"""
