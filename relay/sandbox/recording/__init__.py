"""
Plays recordings: JSON Lines that say what a platform sends, and when, for one task after another.

The format is documented in docs/sandbox.md. `parse` reads it, `play` performs one task, `stage` assigns tasks to Runs.
"""
