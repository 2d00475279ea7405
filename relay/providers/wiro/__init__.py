"""Wiro: signed REST calls, one socket per task, and two dialects of frames."""
