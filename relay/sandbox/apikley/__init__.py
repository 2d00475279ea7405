"""The simulated Apikley: jobs that are made, polled and called back, on the same port as the simulated Wiro."""
