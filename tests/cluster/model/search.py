"""Breadth-first search over all states that can be reached."""

from collections import defaultdict, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from tests.cluster.model.protocol import Cluster, Step

Successors = Callable[[Cluster], Iterable[Step]]
Property = Callable[[Cluster], bool]


@dataclass(frozen=True, slots=True)
class Found:
    """The result of a search."""

    states: int
    """How many states were visited."""
    trace: tuple[str, ...] = ()
    """The steps to the nearest state that was searched for; empty if there is none."""

    def __str__(self) -> str:
        steps = "".join(f"\n{number:4}. {label}" for number, label in enumerate(self.trace, 1))
        return f"{self.states} states{steps}"


class Explored(dict[Cluster, Step | None]):
    """The visited states, in the order of their distance. Each has the step before it: its label and where it began."""

    def found(self, state: Cluster) -> Found:
        """Return the steps that lead to a state."""
        labels = []
        while (step := self[state]) is not None:
            label, state = step
            labels.append(label)
        return Found(len(self), tuple(reversed(labels)))


def replay(state: Cluster, successors: Successors, labels: Iterable[str]) -> Cluster:
    """Return the state after steps with these labels."""
    for label in labels:
        state = next(step.state for step in successors(state) if step.label == label)
    return state


def find(start: Cluster, successors: Successors, wanted: Property) -> Found:
    """Return the shortest way to a state with a property."""
    explored = Explored({start: None})
    waiting = deque([start])
    while waiting:
        state = waiting.popleft()
        for label, after in successors(state):
            if after not in explored:
                explored[after] = Step(label, state)
                if wanted(after):
                    return explored.found(after)
                waiting.append(after)
    return Found(len(explored))


def find_stuck(start: Cluster, successors: Successors, goal: Property) -> Found:
    """Return the shortest way to a state from which no state with a property can be reached."""
    explored = Explored({start: None})
    before: defaultdict[Cluster, list[Cluster]] = defaultdict(list)
    waiting = deque([start])
    while waiting:
        state = waiting.popleft()
        for label, after in successors(state):
            before[after].append(state)
            if after not in explored:
                explored[after] = Step(label, state)
                waiting.append(after)
    hopeful = {state for state in explored if goal(state)}
    backwards = list(hopeful)
    while backwards:
        new = set(before[backwards.pop()]) - hopeful
        hopeful |= new
        backwards += new
    stuck = next((state for state in explored if state not in hopeful), None)
    return Found(len(explored)) if stuck is None else explored.found(stuck)
