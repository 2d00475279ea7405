"""The rules of a task, without I/O: no clock, socket, log or setting. Imports no other package of the relay."""
