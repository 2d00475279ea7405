"""The pure heart: no clock, socket, log or setting in here. It imports `relay.errors` and nothing else of ours."""
