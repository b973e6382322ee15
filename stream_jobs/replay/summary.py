"""What a run of the way back found and did, for a person and for a program."""

from msgspec import Struct, field

from stream_jobs.replay.judging import Judged, Outcome

TROUBLES_KEPT = 20


class CodeTally(Struct, kw_only=True):
    """The candidates of one code, in numbers of records.

    Args:
        code: the reject code, or the error code of the delivery.
        candidates: records that were looked at.
        passed: good now.
        still_bad: per code of now, the others.
        left: those that the mending function left where they are.
        mend_failed: those on which it failed.
        unreachable: those of which only the head is within reach.
    """

    code: str
    candidates: int = 0
    passed: int = 0
    still_bad: dict[str, int] = field(default_factory=dict)
    left: int = 0
    mend_failed: int = 0
    unreachable: int = 0


class Summary(Struct, kw_only=True):
    """One run; `put` is how many records the streams have acknowledged, 0 in a dry run.

    `troubles` are the first TROUBLES_KEPT things that a person should look at; `trouble_count` counts all.
    """

    dry_run: bool
    codes: dict[str, CodeTally] = field(default_factory=dict)
    put: int = 0
    unreadable_lines: int = 0
    interrupted: bool = False
    trouble_count: int = 0
    troubles: list[str] = field(default_factory=list)

    def judged(self, code: str, name: str, judged: Judged) -> None:
        """Book one record's outcome; `name` is how a person finds it."""
        tally = self.codes.setdefault(code, CodeTally(code=code))
        tally.candidates += 1
        match judged.outcome:
            case Outcome.PASSED:
                tally.passed += 1
            case Outcome.STILL_BAD:
                tally.still_bad[judged.why] = tally.still_bad.get(judged.why, 0) + 1
            case Outcome.LEFT:
                tally.left += 1
            case Outcome.MEND_FAILED:
                tally.mend_failed += 1
                self.trouble(f"{name}: {judged.why}")
            case Outcome.UNREACHABLE:
                tally.unreachable += 1
                self.trouble(f"{name}: {judged.why}")

    def trouble(self, text: str) -> None:
        """Note what a person should look at."""
        self.trouble_count += 1
        if len(self.troubles) < TROUBLES_KEPT:
            self.troubles.append(text)
