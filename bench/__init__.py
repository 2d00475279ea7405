"""
What the design promises, measured beside the peers: `make bench`.

Everything runs on this machine over loopback: the server that is measured on one core, whatever feeds and watches it
on the other. Nothing of `relay` imports this.
"""
