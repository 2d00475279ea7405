"""Apikley, which resells kie.ai: a job is made, its record is read until it has ended, and there is no socket."""
