"""The results of a run, and how the figures of its rounds are combined."""

from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any

from bench.wire.measure import Round
from bench.wire.open_loop import Outcome
from bench.wire.proof import Proof
from bench.wire.subjects import Kind, Subject


@dataclass
class Result:
    """All results of one subject. `problem` says why it was not measured, or not to the end."""

    subject: Subject
    problem: str = ""
    rounds: list[Round] = field(default_factory=list)
    fixed: list[Outcome] = field(default_factory=list)
    proof: Proof | None = None

    @property
    def requests_s(self) -> float:
        return median(each.requests_s for each in self.rounds)

    def latency_ms(self, percentile: str) -> float:
        return median(each.latencies_ms[percentile] for each in self.rounds)

    @property
    def server_us(self) -> float:
        return median(each.server_us for each in self.rounds)

    @property
    def behind_us(self) -> float:
        return median(each.behind_us for each in self.rounds)

    @property
    def together_us(self) -> float:
        return self.server_us + self.behind_us

    def fixed_ms(self, percentile: str) -> float:
        """Return a percentile at the fixed rate; 0 if nothing was measured or answered."""
        return median([each.latencies_ms.get(percentile, 0) for each in self.fixed] or [0])

    @property
    def failures(self) -> list[str]:
        """Reasons not to believe the figures, for people; empty if there are none."""
        found = [self.problem] if self.problem else []
        if not_ok := sum(each.not_ok for each in self.rounds):
            found.append(f"{not_ok} requests were not answered 200")
        refused = sum(each.refused for each in self.fixed)
        late = sum(each.unanswered + each.unsent for each in self.fixed)
        if refused or late:
            found.append(f"at the fixed rate, {refused} refused, {late} not answered")
        if self.proof and not self.proof.holds:
            found.append(str(self.proof))
        return found

    def raw(self) -> dict[str, Any]:
        """Return all figures, for a JSON file."""
        return {
            "name": self.subject.name,
            "title": self.subject.title,
            "kind": self.subject.kind,
            "failures": self.failures,
            "rounds": [asdict(each) for each in self.rounds],
            "fixed_rate": [asdict(each) for each in self.fixed],
            "proof": asdict(self.proof) if self.proof else None,
        }


@dataclass
class Report:
    """A whole run: its circumstances by name, and the results in the order of the subjects."""

    circumstances: dict[str, str]
    results: list[Result]
    rate: float = 0

    @property
    def measured(self) -> list[Result]:
        return [each for each in self.results if each.rounds]

    def of_kind(self, kind: Kind) -> list[Result]:
        return [each for each in self.measured if each.subject.kind == kind]

    def raw(self) -> dict[str, Any]:
        return {
            "circumstances": self.circumstances,
            "fixed_rate_requests_s": self.rate,
            "subjects": [each.raw() for each in self.results],
        }
