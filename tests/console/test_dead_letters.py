"""Dead letters in the console: shown, replayed and discarded, and logged in the audit log."""

import re
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.test import Client
from django.urls import reverse

from tests.support.console_urls import client_of
from tracker.adds import Add, Record
from tracker.console.models import AuditEntry
from tracker.intake import dead_letters as deadletters
from tracker.intake import drain
from tracker.models import DeadLetter, Item

pytestmark = pytest.mark.django_db

CART = UUID("6f0c2d38-6e2b-4ad5-9a3c-5f1d6b8f7a10")
NOON = 1_800_000_000_000_000_000
LIST = reverse("admin:tracker_deadletter_changelist")
REPLAY_ALL = reverse("admin:deadletters_replay")


@pytest.fixture
def lead() -> Client:
    return client_of("lead")


def refused_letter(product_id: str = "sku", *, cart_id: UUID = CART, **members: Any) -> DeadLetter:
    """Make a letter that can be merged now, as if the reason for its error were gone."""
    known = set(DeadLetter.objects.values_list("pk", flat=True))
    drain.dead_letter(
        Record(Add(cart_id, product_id, **members), NOON), ValueError("it was too long")
    )
    return DeadLetter.objects.exclude(pk__in=known).get()


def bad_letter(product_id: str = "bad") -> DeadLetter:
    """Make a letter that is refused again."""
    return refused_letter(product_id, price=-1)


def page_of(letter: DeadLetter) -> str:
    return reverse("admin:tracker_deadletter_change", args=[letter.pk])


def address(action: str, letter: DeadLetter) -> str:
    return reverse(f"admin:deadletter_{action}", args=[letter.pk])


def text(page: Any) -> str:
    assert page.status_code == 200
    return " ".join(re.sub("<[^>]+>", " ", page.content.decode()).split())


def logged() -> list[tuple[str, UUID | None, str]]:
    decided = AuditEntry.objects.filter(action__in=["replayed", "discarded"]).order_by("id")
    return list(decided.values_list("action", "cart_id", "detail"))


def test_the_list_says_what_each_is_about(lead: Client) -> None:
    refused_letter("sku-1")
    page = text(lead.get(LIST))
    assert "it was too long 6b8f7a10 sku-1" in page
    assert "1 dead letter" in page


def test_a_record_that_can_not_be_read_is_shown_as_such(lead: Client) -> None:
    DeadLetter.store("00000000 {not what was written}", "garbage")
    assert text(lead.get(LIST)).count("can&#x27;t be read") == 2
    page = text(lead.get(page_of(DeadLetter.objects.get())))
    assert "00000000 {not what was written}" in page
    assert "This record is corrupt" in page
    lead.post(address("replay", DeadLetter.objects.get()))
    lead.post(address("discard", DeadLetter.objects.get()), {"reason": "garbage"})
    assert logged() == [("replayed", None, "refused again"), ("discarded", None, "garbage")]


def test_the_page_of_one_shows_the_record_and_its_error(lead: Client) -> None:
    letter = refused_letter("sku-1", name="Sôcks <b>", price=5)
    page = lead.get(page_of(letter)).content.decode()
    assert "&quot;n&quot;: &quot;Sôcks &lt;b&gt;&quot;" in page
    assert "it was too long" in page
    assert "Accepted" in page
    assert AuditEntry.objects.get(action="opened").cart_id == CART


def test_invisible_characters_of_a_record_are_escaped(lead: Client) -> None:
    """A right-to-left override would also reverse the JSON around it."""
    page = lead.get(page_of(refused_letter(name="\u202egnp.exe\0"))).content.decode()
    assert r"\u202egnp.exe\u0000" in page


def test_a_letter_that_is_gone_is_a_page_that_says_so(lead: Client) -> None:
    letter = refused_letter()
    DeadLetter.objects.all().delete()
    assert lead.get(page_of(letter)).status_code == 404
    assert lead.post(address("replay", letter)).status_code == 404
    assert lead.post(address("discard", letter), {"reason": "because"}).status_code == 404
    assert logged() == []


def test_a_replay_makes_the_row(lead: Client) -> None:
    letter = refused_letter(price=5)
    assert "Replayed." in text(lead.post(address("replay", letter), follow=True))
    assert Item.objects.get().price == 5
    assert not DeadLetter.objects.exists()
    assert logged() == [("replayed", CART, "replayed")]


def test_a_letter_that_is_refused_again_stays_with_its_new_error(lead: Client) -> None:
    letter = bad_letter()
    page = text(lead.post(address("replay", letter), follow=True))
    assert "Refused again" in page
    assert "tracker_item_price_cents" in page
    assert logged() == [("replayed", CART, "refused again")]


def test_discarding_needs_a_reason(lead: Client) -> None:
    letter = refused_letter()
    for reason in ("", "no", "x" * 301):
        page = text(lead.post(address("discard", letter), {"reason": reason}))
        assert "Give a reason" in page
    assert DeadLetter.objects.exists()
    assert logged() == []
    lead.post(address("discard", letter), {"reason": "a test of ours"})
    assert not DeadLetter.objects.exists()
    assert not Item.objects.exists()
    assert logged() == [("discarded", CART, "a test of ours")]


def test_all_are_replayed_after_they_were_counted(lead: Client) -> None:
    for number in range(3):
        refused_letter(f"sku-{number}", cart_id=uuid4())
    bad_letter()
    assert "There are 4 dead letters" in text(lead.get(REPLAY_ALL))
    assert not Item.objects.exists()
    assert "3 replayed, 1 refused again" in text(lead.post(REPLAY_ALL, follow=True))
    assert "0 replayed, 1 refused again" in text(lead.post(REPLAY_ALL, follow=True))
    assert Item.objects.count() == 3
    assert sum(detail == "replayed" for _, _, detail in logged()) == 3


def test_an_interrupted_replay_of_all_keeps_what_it_has_done(
    lead: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each letter has its own transaction, with its entry in the audit log."""
    letters = [refused_letter(f"sku-{number}") for number in range(3)]

    def interrupted(chosen: Any) -> Any:
        yield from letters[:2]
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr(deadletters, "oldest_first", interrupted)
        with pytest.raises(KeyboardInterrupt):
            lead.post(REPLAY_ALL)
    assert (Item.objects.count(), DeadLetter.objects.count(), len(logged())) == (2, 1, 2)
    lead.post(REPLAY_ALL)
    assert (Item.objects.count(), DeadLetter.objects.count()) == (3, 0)


def test_letters_are_read_in_batches_each_of_them_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Letters may have the same time, and are deleted meanwhile."""
    monkeypatch.setattr(deadletters, "BATCH_LETTERS", 2)
    for number in range(7):
        refused_letter(f"sku-{number}")
    first = DeadLetter.objects.order_by("created_at").values_list("created_at", flat=True)[0]
    DeadLetter.objects.update(created_at=first)
    seen = []
    for number, letter in enumerate(deadletters.oldest_first(DeadLetter.objects.all())):
        seen.append(letter.pk)
        if number % 2:
            letter.delete()
    assert len(seen) == len(set(seen)) == 7


def test_a_letter_that_somebody_else_has_decided_is_left_alone() -> None:
    letter = refused_letter()
    DeadLetter.objects.all().delete()
    assert deadletters.replay(letter) is deadletters.Result.GONE
    assert not Item.objects.exists()


def test_a_get_of_a_decision_decides_nothing(lead: Client) -> None:
    letter = refused_letter()
    for action in ("replay", "discard"):
        assert lead.get(address(action, letter))["Location"] == page_of(letter)
    assert DeadLetter.objects.exists()
    assert lead.post(page_of(letter), {"post": "yes"}).status_code == 403


def test_support_sees_letters_and_decides_nothing() -> None:
    support, letter = client_of("support"), refused_letter()
    pages = support.get(LIST).content + support.get(page_of(letter)).content
    assert b"/replay/" not in pages
    assert b"/discard/" not in pages
    for where in (REPLAY_ALL, address("replay", letter), address("discard", letter)):
        assert support.post(where, {"reason": "because"}).status_code == 403
    assert DeadLetter.objects.exists()
