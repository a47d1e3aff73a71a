"""What is remembered of the catalog is what it would say now."""

from imgvecd.core.search.remembered import Remembered


class Library:
    """Says of each word what state it is in, and notes what it was asked."""

    def __init__(self):
        self.state = 1
        self.asked = []
        self.remembered = Remembered(lambda: self.state, 3, lambda answer: answer[0] != "large")

    def look(self, words):
        self.asked += words
        return {word: (word, self.state) for word in words if word != "none"}

    def say(self, *words):
        return self.remembered.answers(words, self.look)


def test_nothing_is_asked_twice_in_one_state():
    library = Library()
    assert library.say("a", "b") == {"a": ("a", 1), "b": ("b", 1)}
    assert library.say("b", "c") == {"b": ("b", 1), "c": ("c", 1)}
    assert library.asked == ["a", "b", "c"]
    library.state = 2
    assert library.say("b") == {"b": ("b", 2)}


def test_what_has_no_answer_or_a_large_one_is_asked_again():
    library = Library()
    for _ in range(2):
        assert library.say("none", "large") == {"large": ("large", 1)}
    assert library.asked == ["none", "large"] * 2


def test_those_that_nobody_asked_for_the_longest_go_first():
    library = Library()
    library.say("a", "b", "c")
    library.say("a")
    library.say("d")
    library.asked.clear()
    library.say("a", "c", "d")
    assert not library.asked
    library.say("b")
    assert library.asked == ["b"]


def test_answers_are_of_one_moment_whatever_is_committed_meanwhile():
    library = Library()
    library.say("a")

    def look_and_commit(words):
        library.state = 2
        return library.look(words)

    assert library.remembered.answers(["a", "b"], look_and_commit) == {"a": ("a", 2), "b": ("b", 2)}


def test_what_was_asked_before_a_commit_is_not_remembered_after_it():
    library = Library()

    def look_while_another_thread_asks(words):
        answers = library.look(words)
        library.state = 2
        library.say("b")
        return answers

    library.remembered.answers(["a"], look_while_another_thread_asks)
    assert library.say("a", "b") == {"a": ("a", 2), "b": ("b", 2)}
