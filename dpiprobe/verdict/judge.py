"""The one place where blame is assigned: outcome, findings, controls -> the verdict of each flow.

Rules of this file:
- Blame needs a finding that is sufficient alone, a distinctive signature of high confidence, or the rules of `silence`, `throttle`,
  `residual`; everything else is `down` (the server's own marks) or `insufficient` (cannot be said), with the reason as a word.
- Order: each flow alone; then what needs controls; then what needs other flows' verdicts (residual punishment).
- Words come from design section 4; nothing here knows an address, a name or a country.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import cached_property

import numpy as np

from dpiprobe.flow.flows import CLIENT_HELLO, HTTP_REQUEST, QUIC_INITIAL
from dpiprobe.observe.build import Observed
from dpiprobe.signature.ledger import Ledger
from dpiprobe.signature.match import Match
from dpiprobe.verdict.blame import Blame
from dpiprobe.verdict.both_ends import Ends
from dpiprobe.verdict.columns import columns_of
from dpiprobe.verdict.control import STATES, Controls
from dpiprobe.verdict.early import EARLY_SAMPLES
from dpiprobe.verdict.excuse import Excuses
from dpiprobe.verdict.expected import Expected, against_expected
from dpiprobe.verdict.findings import findings_of
from dpiprobe.verdict.fine import fine, why_fine
from dpiprobe.verdict.grouping import Groups, grouping_of
from dpiprobe.verdict.judgements import Judgements
from dpiprobe.verdict.luck import allow_for_losses
from dpiprobe.verdict.model import Evidence, Judgement, Observation, Outcome
from dpiprobe.verdict.observations import Observations, Seen
from dpiprobe.verdict.outcomes import in_columns
from dpiprobe.verdict.quic import unanswered_initials
from dpiprobe.verdict.residual import Culprits, Place, punished
from dpiprobe.verdict.silence import Silence, dropped_hellos, stalls
from dpiprobe.verdict.throttle import slow_flows
from dpiprobe.verdict.timestamps import Timestamps, timestamps_of
from dpiprobe.verdict.view import Views
from dpiprobe.verdict.words_of import around, mechanism_of, position_of, related

FROM_ONE_END = frozenset({"early-arrival", "distinctive", "impossible-sequence", "timestamps-missing", "initials-unanswered"})
"""Findings about how a packet looks, when it came or that it was not answered, which the server's own capture of that very packet overrules."""

BARE_TRIALS = 2
"""Trials in which an early reset must come that any host could have sent for a socket it does not know (a router that forgot the connection,
an anycast node nearer than the server): chance does not strike one name twice between working controls; policy."""

Findings = dict[int, list[Evidence]]
"""By flow, of those flows that have any."""


class Judge:
    """Judges a batch: `judgements()` gives one Judgement a flow, in flow order."""

    def __init__(
        self,
        observed: Observed,
        outcomes: Sequence[Outcome],
        controls: Controls,
        matches: Sequence[Match],
        ends: Mapping[int, Ends] | None = None,
        views: Views | None = None,
        ledger: Ledger | None = None,
        expected: Sequence[Expected] = (),
    ) -> None:
        self.ledger = ledger
        self.expected = expected
        self.certificates: dict[int, list[Evidence]] = {}
        self._winners: dict[tuple[str, ...], str | None] = {}
        self.observed = observed
        self.outcomes = in_columns(outcomes).copy()
        self.controls = controls
        self.ends = ends or {}
        self.matches: dict[int, list[Match]] = defaultdict(list)
        self._telling: list[Match] = []  # those that say alone that no stack of the server made these packets
        telling: dict[str, bool] = {}
        for match in matches:
            self.matches[match.flow].append(match)
            tells = telling.get(match.signature)
            if tells is None:
                tells = telling[match.signature] = match.definition.confidence == "high" and match.deployment
            if tells and not match.pending:
                self._telling.append(match)
        self.samples = observed.server_samples
        self.columns = columns_of(observed)
        self.view = views or Views(observed)
        self.kinds: list[int] = observed.flows.trigger_kind.tolist()
        self.observations = Observations(observed)
        asks = np.isin(observed.flows.trigger_kind, (CLIENT_HELLO, HTTP_REQUEST, QUIC_INITIAL))
        self._by_name = asks & (controls.state_numbers == STATES.index("completes"))  # a hello or request with another name worked: the name matters
        self.blame = Blame(observed, self.outcomes, self.view, self._by_name)
        self.excuses = Excuses(observed, self.outcomes, controls, self.view)

    def judgements(self) -> Judgements:
        """All verdicts."""
        flows, grouping = self.observed.flows, grouping_of(self.observed)
        count = len(flows)
        findings = self._found()
        self.certificates = self._certificates() if self.expected else {}
        for f, compared in self.certificates.items():
            findings.setdefault(f, []).extend(compared)
        places = self._places(grouping.places, findings)
        self._repeated(findings, places)
        because: dict[int, str] = {}
        for group in grouping.names.members_with(range(count)) if self.controls.designated else ():
            for f, evidence in slow_flows(self.observed, group, self.controls, self.outcomes).items():
                findings.setdefault(f, []).append(evidence)
                self.outcomes[f] = Outcome("slow", self.outcomes[f].slot)
        quiet = self.outcomes.having("silent", "stalled", "unreachable")
        asked_for = grouping.names.members_with(quiet)
        mute = [f for f in quiet if self.outcomes[f].word != "stalled" and self.kinds[f] in (CLIENT_HELLO, HTTP_REQUEST)]
        for told in (self._interrupted(quiet), dropped_hellos(self.observed, mute, self.controls, self.view)):
            for f, silence in told.items():
                if silence.evidence:
                    findings.setdefault(f, []).append(silence.evidence)
                if silence.because:
                    because[f] = silence.because
        because |= allow_for_losses(self.observed, asked_for, findings)
        for group in asked_for:
            dropped = [e for f in group for e in findings.get(f, ()) if e.kind == "hello-unacknowledged" and e.sufficient]
            for evidence in dropped:
                evidence.weight = "medium" if len(dropped) > 1 else evidence.weight
        plain = fine(self.observed, self.outcomes, {*self.matches, *self.ends, *because, *findings})
        rest = np.ones(count, np.bool_)
        rest[plain.flow] = False
        judged: list[Judgement | None] = [None] * count  # but for the plain ones
        words = self.outcomes.words
        for f in np.flatnonzero(rest).tolist():
            judged[f] = self._judge(f, findings.get(f) or [], because.get(f), words[f])
        self._one_place(grouping.names, judged)
        for place in {id(place): place for place in places.values()}.values():
            self._residual(place, judged)
        return Judgements(plain, [j for j in judged if j is not None])

    def _interrupted(self, quiet: Sequence[int]) -> dict[int, Silence]:
        """What is said of flows that stalled and of QUIC Initials without an answer, name by name."""
        names, ack_end = grouping_of(self.observed).names, self.observed.flows.ack_end
        words = {f: self.outcomes[f].word for f in quiet}
        stalled = [f for f, word in words.items() if word == "stalled" or (word == "silent" and ack_end[f] >= 0)]
        mute = [f for f, word in words.items() if word == "silent" and self.kinds[f] == QUIC_INITIAL]
        told: dict[int, Silence] = {}
        for group in names.members_with(stalled):
            told |= stalls(group, self.outcomes, self.controls, self.view)
        for group in names.members_with(mute):
            told |= unanswered_initials(self.observed, group, self.outcomes, self.controls, self.view)
        return told

    # ---- each flow alone

    def _found(self) -> Findings:
        """What speaks in each flow alone, and in the captures of both ends."""
        self.view.expect(np.flatnonzero(~self.outcomes.are("worked")).tolist())
        findings = findings_of(self.observed, self.samples, self.view, self._sheds_timestamps)
        for match in self._telling:
            if self.observations.suspected[match.flow]:
                findings.setdefault(match.flow, []).append(self._distinctive(match))
        for f, ends in self.ends.items():
            if ends.evidence:
                findings.setdefault(f, []).extend(ends.evidence)
        return findings

    def _distinctive(self, match: Match) -> Evidence:
        """A signature that says alone that no stack of the server made these packets."""
        slot, definition = self.observed.slot, match.definition
        reason = f"{definition.title}: packets that no stack of the server makes"
        return Evidence("distinctive", definition.technique, [int(slot[row]) for row in match.rows], reason, True, "high", match.signature)

    def _places(self, groups: Groups, findings: Findings) -> dict[int, Place]:
        """The neighbours of flows that ask for them: by flow, one `Place` for all of a client's flows to a server and port."""
        starts, flows = self.columns.first_time.tolist(), self.observed.flows
        asking = {*self.outcomes.having("unanswered", "refused")}
        asking.update(f for f, found in findings.items() for e in found if e.repeatable and not e.sufficient)
        places: dict[int, Place] = {}
        for members in groups.members_with(asking):
            places |= dict.fromkeys(members, Place(flows, members, self.outcomes, starts))
        return places

    def _sheds_timestamps(self, f: int) -> bool:
        """The server itself leaves timestamps out: flows of other names that worked show it (some load balancers do), or nothing shows that it
        ever sends them behind its SYN/ACK."""
        return self._shed[f]

    @cached_property
    def _shed(self) -> list[bool]:
        stamps, controls = self._stamps, self.controls
        keeps, group = np.array(stamps.keeps, np.bool_), controls.named.of
        completes = controls.state_numbers == STATES.index("completes")
        bare = ~keeps & ~(completes & controls.worked.some(keeps)[group])
        shed: list[bool] = (bare | (completes & controls.worked.some(stamps.missing)[group])).tolist()
        return shed

    @cached_property
    def _stamps(self) -> Timestamps:
        return timestamps_of(self.observed)

    def _repeated(self, findings: Findings, places: Mapping[int, Place]) -> None:
        """Design section 4 (d): early packets that one flow cannot prove alone, in several trials of a name whose control works; and those
        after which the client got nowhere at that address for a while."""
        groups: dict[tuple[int, int, str | None], list[tuple[int, Evidence]]] = defaultdict(list)
        flows = self.observed.flows
        doubtful = sorted(f for f, found in findings.items() for e in found if e.repeatable and not e.sufficient)
        for f in dict.fromkeys(doubtful):
            trigger = flows.triggers[f]
            for evidence in findings[f]:
                if not evidence.repeatable or evidence.sufficient:
                    continue
                if places[f].punishment_followed(f):
                    evidence.sufficient = True
                    evidence.reason += "; and for a while nothing got through to that address"
                elif self.controls.state(f) == "completes":
                    groups[int(flows.server[f]), int(flows.server_port[f]), trigger.server_name if trigger else None].append((f, evidence))
        for key, group in groups.items():
            trials = len({f for f, _ in group})
            if self.ledger is not None:
                trials += self.ledger.trials(key, trials)
            for f, evidence in group:
                if trials >= EARLY_SAMPLES or (trials >= BARE_TRIALS and self.samples[f] >= EARLY_SAMPLES):
                    evidence.sufficient = True
                    evidence.reason += f"; so in {trials} trials, while the control works"

    def _judge(self, f: int, found: list[Evidence], because: str | None, word: str) -> Judgement:
        ends = self.ends.get(f)
        cleared = ends is not None and ends.cleared and all(e.kind in FROM_ONE_END for e in found if e.sufficient)
        judgement = self.blame.blame(f, word, found) if found and not cleared else None
        if judgement is not None:
            judgement.observations = Seen(self.observations, f, found)
        else:
            judgement = Judgement(f, word, evidence=found, observations=self.observations.of(f, found, word))
            self._acquit(judgement, ends.cleared if ends else None, because)
        technique = judgement.technique
        if technique is not None:
            judgement.signature = self._winner(f, technique)
            if ends and ends.direction != "unknown":
                judgement.direction = ends.direction
        return judgement

    def _acquit(self, judgement: Judgement, cleared: str | None, because: str | None) -> None:
        """What is said of a flow without proof. cleared: why the server's own capture explains what looked strange"""
        f, kind = judgement.flow, self.kinds[judgement.flow]
        if cleared:
            self._clear(judgement, cleared)
        elif judgement.outcome != "worked":
            self.excuses.excuse(judgement, judgement.evidence, because)
        elif (strange := self._strange_certificate(f)) is not None:
            judgement.verdict, judgement.because = "insufficient", "server-or-third-party"
            judgement.technique, judgement.techniques = "mitm", ["mitm"]
            judgement.could_be += ["mitm", "certificates-of-two-authorities"]
            judgement.reasons.append(strange)
        else:
            judgement.verdict, judgement.confidence = "ok", "medium"
            judgement.reasons.append(why_fine(kind, self.observed.flows.number(self.outcomes[f].slot)))
        if judgement.technique is None or judgement.verdict in ("ok", "down"):
            judgement.technique, judgement.techniques = None, []
        else:
            about = around(judgement.technique, kind, bool(self._by_name[f]))
            judgement.mechanism, judgement.trigger, judgement.direction, judgement.position = about

    def _certificates(self) -> dict[int, list[Evidence]]:
        """Of each flow that worked, its certificate against the expected one, where there is something to compare."""
        worked = self.outcomes.having("worked")
        served = {f for f, ends in self.ends.items() if ends.partner >= 0}
        return {f: found for f in worked if (found := against_expected(self.observed, f, self.expected, served=f in served))}

    def _strange_certificate(self, f: int) -> str | None:
        """Why the certificate is odd though nothing is proven: it is not what was expected, or a signature of interception matched beside designated
        controls (other names of a foreign capture have authorities of their own)."""
        expected = {e.kind: e.reason for e in self.certificates.get(f, ())}
        if expected:
            return expected.get("unexpected-certificate")
        if self.controls.designated and any(m.definition.technique == "mitm" and not m.pending for m in self.matches.get(f, ())):
            return "the certificate comes from another authority than those of all designated controls at this address"
        return None

    def _clear(self, judgement: Judgement, reason: str) -> None:
        """The server's own capture shows that the server ended it: whatever looked strange from one end is explained."""
        judgement.verdict, judgement.confidence = "down", "high"
        judgement.reasons.append(reason)
        judgement.could_be.append("server-policy")

    def _winner(self, f: int, technique: str) -> str | None:
        """The most specific match whose technique is that of the verdict (or its parent or child)."""
        matches = self.matches.get(f)
        if not matches:
            return None
        key: tuple[str, ...]
        if len(matches) == 1:
            key = (technique,) if matches[0].pending else (technique, matches[0].signature)
        else:
            key = (technique, *[match.signature for match in matches if not match.pending])
        winner = self._winners.get(key, "")
        if winner == "":
            winner = self._winners[key] = _most_specific([match for match in matches if not match.pending], technique)
        return winner

    # ---- what needs other flows' verdicts

    def _one_place(self, names: Groups, judged: list[Judgement | None]) -> None:
        """Where one trial of a name shows that the server heard the hello, a trial that only lacks this sight has no position: the same box does
        not swallow now and pass then, but captures and paths lose packets."""
        others = [j for j in judged if j is not None]  # whoever is not among them worked
        swallowed = [j for j in others if j.technique == "rst.in-path"]
        if not swallowed:
            return
        flows = self.observed.flows
        heard = np.ones(len(flows), np.bool_)
        heard[[j.flow for j in others if j.outcome != "worked"]] = False
        heard = (flows.hello >= 0) & ((flows.ack_end >= 0) | heard)
        heard[[j.flow for j in others if j.technique == "rst.on-path"]] = True
        somewhere = np.bincount(names.of[heard], minlength=len(names)) > 0
        for j in swallowed:
            if somewhere[names.of[j.flow]]:
                j.technique, j.position, j.direction = "rst", "unknown", "unknown"
                j.techniques = ["rst" if t == "rst.in-path" else t for t in j.techniques]
                j.signature = self._winner(j.flow, "rst")
                j.reasons[-1:] = ["no acknowledgement of the hello was seen here, but in another trial of this name: the position stays open"]

    def _residual(self, place: Place, judged: list[Judgement | None]) -> None:
        nowhere = [f for f in place.members if self.outcomes[f].word in ("unanswered", "refused")]
        if not nowhere:
            return
        culprits = Culprits(place, judged)  # whoever is found punished below was none: a flow that got nowhere before its hello
        for f in nowhere:
            mine = judged[f]
            if mine is None or mine.verdict in ("blocked", "contested", "ok"):
                continue
            evidence = punished(self.view(f), place, culprits, judged)
            if evidence is None:
                continue
            seen = Observation(evidence.kind, evidence.slots)
            fresh = Judgement(f, mine.outcome, evidence=[*mine.evidence, evidence], observations=[seen, *mine.observations])
            fresh.verdict = "blocked" if evidence.sufficient else "insufficient"
            fresh.because = None if evidence.sufficient else "too-few-trials"
            fresh.confidence = "medium" if evidence.sufficient else "low"
            fresh.technique, fresh.techniques = evidence.technique, [evidence.technique]
            fresh.mechanism = mechanism_of(evidence.technique, 0, False)
            fresh.trigger = "earlier-flow"
            fresh.position = position_of(evidence.technique)
            fresh.signature = self._winner(f, evidence.technique)
            fresh.reasons = [evidence.reason]
            if not evidence.sufficient:
                fresh.could_be = ["residual", "server-down", "address.drop"]
            judged[f] = fresh


def _most_specific(matches: Sequence[Match], technique: str) -> str | None:
    for match in matches:
        if related(match.definition.technique, technique):
            return match.signature
    top = technique.split(".", maxsplit=1)[0]
    return next((m.signature for m in matches if m.deployment and m.definition.technique.split(".")[0] == top), None)
