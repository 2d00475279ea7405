"""
Play recordings: JSON Lines that say what a platform sends and when, for one task after another.

docs/sandbox.md specifies the format. `parse` reads it, `timeline` plays the lines of one task, `playback` assigns tasks
to Runs, and `wiro` and `apikley` answer the calls of the platforms.
"""
