"""Apikley, which resells kie.ai. It has no socket: the record of a job is polled until the job has ended."""
