"""The life of a task: the use cases, the queue for a provider's capacity, submission, and the follower of each task."""
