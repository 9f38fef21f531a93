"""What is said in the pack's logs: talks, turns, answers, tool calls, tokens, all made up."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

_THINGS = ("the oven", "a train to Lyon", "the 2019 taxes", "Käse für 2 €", "牛乳", "a red kite")
_ASKED = ("Where is {}?", "Remind me of {}.", "Tell me more about {}", "Please sort out {}!")
_SAID = ("Done: {}.", "I looked for {}.", "{} is taken care of.\nAnything else?", "That is {}.")
_TOOLS = ("find", "add_task", "list_tasks", "send_mail")
_MODELS = ("small-1", "large-2")


@dataclass(frozen=True)
class Call:
    """One tool call; one without a result was never answered."""

    id: str
    tool: str
    arguments: dict[str, Any]
    result: str | None
    failed: bool


@dataclass(frozen=True)
class Answer:
    """One response of a model, and the tokens it cost: uncached and cached input, output."""

    id: str
    text: str | None
    thought: str | None
    calls: tuple[Call, ...]
    n_input: int
    n_cached: int
    n_output: int

    @property
    def results(self) -> list[Call]:
        """The calls that were answered."""
        return [call for call in self.calls if call.result is not None]


@dataclass(frozen=True)
class Turn:
    """What a person asked, and the responses until the model was done."""

    prompt: str
    answers: tuple[Answer, ...]


@dataclass(frozen=True)
class Talk:
    """One conversation."""

    id: str
    title: str
    user: str
    model: str
    start: datetime
    turns: tuple[Turn, ...]

    @property
    def answers(self) -> list[Answer]:
        """All responses, in order."""
        return [answer for turn in self.turns for answer in turn.answers]

    def clock(self) -> Iterator[datetime]:
        """Give a moment for each thing that happens, a second apart."""
        moment = self.start
        while True:
            yield moment
            moment += timedelta(seconds=1)


class Script:
    """Makes talks; the same seed and name make the same ones."""

    def __init__(self, seed: int, name: str) -> None:
        self.random = Random(f"{seed}:{name}")  # noqa: S311 - seeded, and made up

    def id(self, length: int = 12) -> str:
        """Make an id."""
        return f"{self.random.getrandbits(4 * length):0{length}x}"

    def uuid(self) -> str:
        """Make an id that looks like a uuid."""
        return "-".join(self.id(n) for n in (8, 4, 4, 4, 12))

    def talks(self, n: int, *, calls: bool = True) -> list[Talk]:
        """Make talks; without `calls`, every turn has one answer of text."""
        return [self.talk(calls=calls) for _ in range(n)]

    def talk(self, *, calls: bool = True) -> Talk:
        """Make one talk of one to four turns."""
        days = timedelta(days=self.random.randrange(200), seconds=self.random.randrange(86_400))
        return Talk(
            id=self.uuid(),
            title=f"About {self.random.choice(_THINGS)}",
            user=self.uuid(),
            model=self.random.choice(_MODELS),
            start=datetime(2025, 3, 1, tzinfo=UTC) + days,
            turns=tuple(self.turn(calls=calls) for _ in range(self.random.randint(1, 4))),
        )

    def turn(self, *, calls: bool = True) -> Turn:
        """Make a question, up to two responses that call tools, and one that ends the turn."""
        rounds = self.random.randint(0, 2) if calls else 0
        called = [self.answer(n_calls=self.random.randint(1, 3)) for _ in range(rounds)]
        return Turn(self._phrase(_ASKED), (*called, self.answer(n_calls=0)))

    def answer(self, *, n_calls: int) -> Answer:
        """Make a response: the last of a turn has text, one that calls may have none."""
        speaks = n_calls == 0 or self.random.random() < 0.5  # noqa: PLR2004 - a coin
        thinks = self.random.random() < 0.3  # noqa: PLR2004 - some
        return Answer(
            id=f"msg_{self.id()}",
            text=self._phrase(_SAID) if speaks else None,
            thought=f"Hm. {self._phrase(_SAID)}" if thinks else None,
            calls=tuple(self.call() for _ in range(n_calls)),
            n_input=self.random.randint(3, 900),
            n_cached=self.random.choice((0, 0, self.random.randint(1, 5000))),
            n_output=self.random.randint(2, 400),
        )

    def call(self) -> Call:
        """Make a call; one in eight fails, one in eight is never answered."""
        luck = self.random.randrange(8)
        tool = self.random.choice(_TOOLS)
        return Call(
            id=f"call_{self.id()}",
            tool=tool,
            arguments={"what": self.random.choice(_THINGS), "n": self.random.randint(1, 9)},
            result=None if luck == 0 else f"{tool} of {self.id(4)}",
            failed=luck == 1,
        )

    def _phrase(self, phrases: tuple[str, ...]) -> str:
        # The number keeps texts apart, as chance does in real logs.
        thing = f"{self.random.choice(_THINGS)} ({self.random.randrange(10**6)})"
        return self.random.choice(phrases).format(thing)


@dataclass
class Tally:
    """What a case holds, counted while it is written.

    Attributes:
        conversations: conversations, sub-agents and forks among them.
        messages: by role; a response of a model is one message however many records it takes.
        tool_calls: calls, each id once.
        tool_results: calls that have a result.
        input_tokens: uncached input of all responses; None where the format has no tokens.
        output_tokens: output of all responses, as input.
        relations: conversations by how they belong to another one.
        records: physical records: lines, elements, files, rows.
    """

    conversations: int = 0
    messages: dict[str, int] = field(default_factory=dict)
    tool_calls: int = 0
    tool_results: int = 0
    input_tokens: int | None = None
    output_tokens: int | None = None
    relations: dict[str, int] = field(default_factory=dict)
    records: int = 0

    def say(self, role: str, n: int = 1) -> None:
        """Count a message."""
        self.messages[role] = self.messages.get(role, 0) + n

    def call(self, *calls: Call) -> None:
        """Count calls, and their results."""
        self.tool_calls += len(calls)
        self.tool_results += sum(call.result is not None for call in calls)

    def spend(self, answer: Answer) -> None:
        """Count a response's tokens."""
        self.input_tokens = (self.input_tokens or 0) + answer.n_input
        self.output_tokens = (self.output_tokens or 0) + answer.n_output

    def relate(self, relation: str) -> None:
        """Count a conversation that belongs to another one."""
        self.relations[relation] = self.relations.get(relation, 0) + 1


@dataclass(frozen=True)
class Case:
    """Files of one format and what is in them.

    Attributes:
        format: as `chatdata formats` names it.
        files: content by path, below a folder of the format's name.
        truth: what they hold, read together.
        about: what is easily counted wrong in them.
        mapping: for a table without a format, what its columns mean.
    """

    format: str
    files: dict[str, bytes]
    truth: Tally
    about: str
    mapping: dict[str, str] | None = None


def iso(moment: datetime) -> str:
    """Write a moment as most logs do."""
    return moment.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"
