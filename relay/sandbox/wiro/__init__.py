"""The simulated Wiro: REST calls, the task socket and the files of tasks."""
