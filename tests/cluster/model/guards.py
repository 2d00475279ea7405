"""The guards of the money protocol, and the bounds within which it is searched."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Guards:
    """The rules that prevent a second or an unseen run. The protocol has all of them; a test removes each one."""

    synchronous_standby: bool = True
    """A commit is acknowledged only when the standby has it. Without one, a failover can send a run twice by design."""
    repeat_writes: bool = True
    """The repeat of a committed batch writes something, so that its COMMIT waits until the standby has the batch."""
    repeat_names_taken: bool = True
    """The answer to a repeat names the tasks that have events of the batch. The store may have refused some of them."""
    owner_checked: bool = True
    """An append to a task needs its present owner, in addition to a live process and the next seq."""
    warning_is_unknown: bool = True
    """A reply with the notice 01000 or 57P01 is an unknown outcome: the wait for the standby was canceled."""
    fenced_create: bool = True
    """A task is created in a numbered batch. The repeat of a separate statement would find its own claim."""
    fenced_release: bool = True
    """Before each further send, its owner commits the task into `submitting`. The store checks that it is the owner."""
    claim_names_winner: bool = True
    """An insert into `claims` returns the task that has the key. If this is another task, nothing is created."""
    claim_released_with_done: bool = True
    """The claim of a refused task is deleted in the commit of its `done`, by key and task; not afterwards, by key."""
    thief_only_looks: bool = True
    """A node that takes over a `submitting` task searches for its run and never sends it."""
    random_identity: bool = True
    """A process identifies itself by random bits. After a failover, a sequence can give one number to two processes."""
    new_epoch_registers: bool = True
    """After a promotion, a process at most repeats its unanswered statement. Then it drops its tasks and registers."""
    send_window: bool = True
    """A permit to send expires before a search for the run can give up. The task then returns to the queue."""
    owned_tasks_followed: bool = True
    """A node regularly follows all tasks that it owns, because the answer to a take-over can be lost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """How far the search goes. Within them it visits every state."""

    nodes: int = 2
    posts: int
    """How often the client sends its request. Each POST can create one task."""
    seq: int = 4
    """The longest log of a task. Four events are a submit, a hold, a release, and the answer to the second send."""
    registrations: int = 2
    """How many processes start in all. A crashed node starts again while this permits it."""
    failovers: int = 0
