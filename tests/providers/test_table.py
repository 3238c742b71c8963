"""The page about providers says where things are read today."""

from .table import PAGE, page


def test_the_table_in_the_docs_is_what_was_measured(provider):
    assert PAGE.read_text() == page(provider), "out of date: cd tests && python -m providers.table"
