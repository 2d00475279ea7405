"""The simulated Apikley: jobs that are created, polled and reported by callback."""
