import pytest

from openlumbar.core import flags


def test_flags_are_joined_by_semicolons():
    assert flags.join(("fused", "collapsed")) == "fused;collapsed"
    assert flags.join(()) == ""


def test_a_word_outside_the_vocabulary_is_an_error():
    with pytest.raises(KeyError):
        flags.join(("looks-odd",))


def test_words_can_be_joined_and_explained():
    for word, meaning in flags.FLAGS.items():
        assert ";" not in word
        assert " " not in word
        assert meaning
