"""
The channels and viewers of this process: events in from the journal's tail, shared bytes out to every viewer.

A viewer is a cursor, not a queue: nothing is ever held back for one. It knows of no HTTP; `relay.web` gives it
connections.
"""
