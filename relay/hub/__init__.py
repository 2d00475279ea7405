"""
The channels and viewers of this process: events in from the journal's tail, shared bytes out to every viewer.

A viewer is a cursor, not a queue: no messages are queued for it. The hub does not depend on HTTP; `relay.web` passes
it connections.
"""
