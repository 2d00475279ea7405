"""Wiro: signed REST calls, one socket for each task, and two dialects of the same story."""
