"""Protects what products say of their making: the hash of settings is of their content alone."""

from revisit import provenance


def test_the_config_hash_ignores_the_order_of_keys():
    assert provenance.config_hash({"a": 1, "b": 2}) == provenance.config_hash({"b": 2, "a": 1})
    assert provenance.config_hash({"a": 1}) != provenance.config_hash({"a": 2})
