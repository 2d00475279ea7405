"""The archive: copies of results in a directory or a bucket, made in the background after a task has ended."""
