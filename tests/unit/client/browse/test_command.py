from imgvecd.client.browse import command
from imgvecd.client.program import parser
from imgvecd.client.query import protect_negatives


def test_words_with_a_minus_are_asked_as_well(monkeypatch):
    made = []
    monkeypatch.setattr(command, "_serve", lambda make, _: made.append(make()) or 0)
    given = protect_negatives(["browse", "--no-open", "a", "cat", "-dog"])
    assert command.run(parser().parse_args(given)) == 0
    assert made[0]._query == "a cat -dog"
